import Metrics
import Synchronization
import WALStore

/// Puts a backend's index template into the cluster before its first request, once.
///
/// It never overwrites what is not its own: a template of the same name that somebody else made holds the lane, and the first
/// one is put with `create=true`, so that whoever is faster wins. All of it can be done again at any time.
/// <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-put-index-template>
final class ElasticsearchInstaller: Sendable {
    /// Sends a request to a path of the cluster, which has no slash in front.
    typealias Ask = @Sendable (HTTPRequest.Method, _ path: String, _ body: [UInt8]) async -> Answer

    private let template: ElasticsearchTemplate
    private let isDone = Mutex(false)

    init(_ template: ElasticsearchTemplate) { self.template = template }

    private enum Step {
        case done
        /// Nothing of the points was sent, and nothing will be until this is over.
        case stop(Answer)
    }

    /// - Returns: what stands in the way of sending points, or nil.
    func install(_ ask: Ask) async -> Answer? {
        if isDone.withLock({ $0 }) { return nil }
        if case .timeSeries = template.kind, case .stop(let answer) = await checkProduct(ask) { return answer }
        if case .stop(let answer) = await put(ask) { return answer }
        isDone.withLock { $0 = true }
        return nil
    }

    private var path: String { "_index_template/\(PercentEncoding.encode(template.name))" }

    // MARK: Product

    /// OpenSearch has no time series data streams, and an Elasticsearch before 8.7 not for good. A key that may not ask what the
    /// cluster is leaves it to the cluster to refuse.
    private func checkProduct(_ ask: Ask) async -> Step {
        let response: HTTPResponse
        switch await ask(.get, "", []) {
        case .response(let answer): response = answer
        case let other: return .stop(ElasticsearchInstaller.unsent(other))
        }
        guard response.status == 200, let version = (try? JSONValue.parse(response.body, values: 256))?["version"]
        else {
            return (400...499).contains(response.status)
                ? .done : .stop(ElasticsearchInstaller.unsent(.response(response)))
        }
        if version["distribution"]?.string == "opensearch" {
            return hold("OpenSearch has no time series data streams: leave time_series out")
        }
        let number = version["number"]?.string ?? ""
        let parts = number.split(separator: ".").prefix(2).compactMap { Int($0) }
        if parts.count == 2, (parts[0], parts[1]) < (8, 7) {
            return hold("Elasticsearch \(Excerpt.of(number.utf8, bytes: 32)) is too old for time_series: 8.7 at least")
        }
        return .done
    }

    // MARK: Template

    private func put(_ ask: Ask) async -> Step {
        let found: HTTPResponse
        switch await ask(.get, path, []) {
        case .response(let answer): found = answer
        case let other: return .stop(ElasticsearchInstaller.unsent(other))
        }
        if found.status == 404 { return await put(ask, "?create=true") }
        guard found.status == 200 else { return .stop(ElasticsearchInstaller.unsent(.response(found))) }
        guard let known = known(in: found) else {
            return .stop(.said(.retry(after: nil, reason: "the answer about the index template was not understood")))
        }
        guard template.isOurs(known) else {
            return hold(
                "the index template \(template.name) is not Holdfast's, or is for other data: rename the backend, or leave "
                    + "install_template out")
        }
        return template.isSame(known) ? .done : await put(ask, "")
    }

    private func known(in response: HTTPResponse) -> JSONValue? {
        guard !response.isCut, let document = try? JSONValue.parse(response.body, values: 10_000) else { return nil }
        let entry = document["index_templates"]?.array?.first { $0["name"]?.string == template.name }
        return entry?["index_template"]
    }

    private func put(_ ask: Ask, _ query: String) async -> Step {
        switch await ask(.put, path + query, template.body) {
        case .response(let response) where (200...299).contains(response.status): return .done
        case .response(let response) where Excerpt.holds(response.body, ["already exists"]):
            return .stop(.said(.retry(after: nil, reason: "somebody else put the index template just now")))
        case let other: return .stop(ElasticsearchInstaller.unsent(other))
        }
    }

    // MARK: Answers

    private func hold(_ reason: String) -> Step { .stop(.said(.hold(reason: reason))) }

    /// What an answer that is no success means for points that were not sent: never that they are refused, or too large.
    private static func unsent(_ answer: Answer) -> Answer {
        switch answer {
        case .failure(let failure):
            .failure(TransportFailure(mayHaveArrived: false, reason: "index template: \(failure.reason)"))
        case .response(let response):
            switch HTTPOutcome.of(response, now: TimeSource.system.wall()) {
            case .retry(let after, let reason): .said(.retry(after: after, reason: "index template: \(reason)"))
            case .hold(let reason): .said(.hold(reason: "index template: \(reason)"))
            default: .said(.hold(reason: "index template: HTTP \(response.status)\(HTTPOutcome.said(response))"))
            }
        case .said: answer
        }
    }
}
