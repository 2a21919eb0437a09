import Metrics
import Synchronization
import WALStore

/// What New Relic found wrong with requests after it had taken them, read back from the account's `NrIntegrationError` events.
///
/// It says so nowhere else. The points are settled by then: an event tells an operator, with the request's id.
/// <https://docs.newrelic.com/docs/data-apis/manage-data/nrintegrationerror/>,
/// <https://docs.newrelic.com/docs/apis/nerdgraph/examples/nerdgraph-nrql-tutorial/>
final class NewRelicErrors: Sendable {
    private struct State {
        /// Of requests that were taken: the oldest goes.
        var taken: [String] = []
        var told: Set<String> = []
        /// Boot clock, nanoseconds.
        var askedAt: Int64?
    }

    /// Requests that are remembered.
    private static let limit = 4096
    private static let every: Duration = .seconds(60)

    private let key: Secret
    private let account: Int
    private let url: String
    private let state = Mutex(State())

    /// - Parameter url: of NerdGraph.
    init(key: Secret, account: Int, url: String) {
        (self.key, self.account, self.url) = (key, account, url)
    }

    func took(_ request: String) {
        state.withLock { state in
            state.taken.append(request)
            if state.taken.count > NewRelicErrors.limit {
                state.taken.removeFirst(NewRelicErrors.limit / 2)
                state.told.formIntersection(state.taken)
            }
        }
    }

    /// Asks, once a minute at most. That it cannot is no trouble of the points.
    ///
    /// - Returns: what was said of our requests, each once.
    func ask(_ endpoint: HTTPEndpoint, now: Int64, over transport: HTTPTransport) async -> [(
        request: String, words: String
    )] {
        let isDue = state.withLock { state in
            if let askedAt = state.askedAt, now - askedAt < NewRelicErrors.every.wholeNanoseconds { return false }
            state.askedAt = now
            return true
        }
        guard isDue else { return [] }
        var request = endpoint.post(
            body, headers: [(name: "Content-Type", value: "application/json"), (name: "API-Key", value: key.reveal)])
        request.url = url
        request.authentication = .none
        guard case .response(let response) = await transport.perform(request), response.status == 200, !response.isCut,
            let document = try? JSONValue.parse(response.body, depth: 12, values: 4096),
            let results = document["data"]?["actor"]?["account"]?["nrql"]?["results"]?.array
        else { return [] }
        return state.withLock { state in
            var said: [(request: String, words: String)] = []
            for result in results {
                guard let id = result["requestId"]?.string, state.taken.contains(id), state.told.insert(id).inserted
                else {
                    continue
                }
                let words = ["category", "rateLimitType", "message"].compactMap { result[$0]?.string }.joined(
                    separator: ": ")
                said.append((id, Excerpt.of(Array(words.utf8))))
            }
            return said
        }
    }

    private var body: [UInt8] {
        let query =
            "SELECT category, rateLimitType, message, requestId FROM NrIntegrationError WHERE newRelicFeature = 'Metrics' "
            + "SINCE 10 minutes ago LIMIT 200"
        var json = JSONWriter()
        json.beginObject()
        json.member("query", "{ actor { account(id: \(account)) { nrql(query: \"\(query)\") { results } } } }")
        json.end()
        return json.bytes
    }
}
