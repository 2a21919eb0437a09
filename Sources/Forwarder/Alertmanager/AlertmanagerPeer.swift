import Synchronization
import WALStore

/// One Alertmanager: gets the newest snapshot, and only that, as often as it takes.
///
/// What waits for it is one snapshot. A newer one takes its place, so that nothing is told after the fact: an outage of hours
/// costs one request afterwards, of what is wrong then.
final class AlertmanagerPeer: Sendable {
    /// What Prometheus sends at most, <https://prometheus.io/docs/prometheus/latest/command-line/prometheus/>.
    static let maximumBatch = 256

    private struct State {
        var newest: AlertSnapshot?
        var status: AlertmanagerStatus
    }

    private let endpoint: HTTPEndpoint
    private let settings: AlertmanagerSettings
    private let surroundings: Alertmanager.Surroundings
    private let backoff: Backoff
    private let state: Mutex<State>
    private let ticks = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    init(_ endpoint: HTTPEndpoint, _ settings: AlertmanagerSettings, _ surroundings: Alertmanager.Surroundings) {
        self.endpoint = endpoint
        self.settings = settings
        self.surroundings = surroundings
        // Who asks for a wait as long as alerts stand would take them for over meanwhile.
        backoff = Backoff(
            base: .seconds(1), cap: settings.interval, retryAfterBound: max(settings.interval, .seconds(30)))
        state = Mutex(State(status: AlertmanagerStatus(url: endpoint.url)))
    }

    var status: AlertmanagerStatus { state.withLock { $0.status } }

    func offer(_ snapshot: AlertSnapshot) {
        state.withLock { $0.newest = snapshot }
        ticks.continuation.yield()
    }

    /// Returns when its task is cancelled.
    func run() async {
        var knowledge = Knowledge(validity: settings.validity.wholeNanoseconds)
        var attempts = 0
        for await _ in ticks.stream {
            while !Task.isCancelled, let snapshot = state.withLock({ $0.newest }) {
                guard let wait = await send(snapshot, &knowledge, attempts: attempts + 1) else {
                    attempts = 0
                    state.withLock { if $0.newest == snapshot { $0.newest = nil } }
                    continue
                }
                attempts += 1
                do { try await surroundings.sleep(wait) } catch { return }
            }
        }
    }

    /// One try.
    ///
    /// - Returns: how long to wait before the next; nil: there is nothing to be tried again.
    private func send(_ snapshot: AlertSnapshot, _ knowledge: inout Knowledge, attempts: Int) async -> Duration? {
        let items = knowledge.items(snapshot, now: surroundings.time.wall())
        var sent = 0
        while sent < items.count {
            let batch = items[sent..<min(items.count, sent + AlertmanagerPeer.maximumBatch)]
            let now = surroundings.time.wall()
            let answer = await surroundings.transport.perform(request(batch))
            switch answer {
            case .failure(let failure) where !failure.mayHaveArrived: break
            default: knowledge.mayKnow(batch)
            }
            let verdict = Verdict(answer, now: now)
            note(verdict, batch.count)
            switch verdict {
            case .taken: knowledge.knows(batch)
            // The others of the batch were stored.
            case .refusedSome: break
            case .refused: return nil
            case .retry(let after, _):
                var random = SystemRandomNumberGenerator()
                return backoff.delay(attempts: attempts, retryAfter: after, using: &random)
            }
            sent += batch.count
        }
        return nil
    }

    private func request(_ batch: ArraySlice<AlertBody.Item>) -> HTTPRequest {
        endpoint.post(
            AlertBody.encode(batch, settings.labels), to: "/api/v2/alerts",
            headers: [("Content-Type", "application/json")])
    }

    /// Counts, and says when it begins to fail and when that is over.
    private func note(_ verdict: Verdict, _ alerts: Int) {
        let reason = verdict.reason
        let wasFailing = state.withLock { state in
            defer { state.status.lastError = reason ?? "" }
            if reason == nil {
                state.status.sentAlerts += UInt64(alerts)
                state.status.lastSuccessAt = surroundings.time.wall()
            } else {
                state.status.failedAlerts += UInt64(alerts)
            }
            return !state.status.lastError.isEmpty
        }
        if let reason, !wasFailing {
            surroundings.events(
                Event(
                    .warning, "an Alertmanager does not take the node's alerts",
                    ["alertmanager": endpoint.url, "reason": reason]))
        } else if reason == nil, wasFailing {
            surroundings.events(
                Event(.info, "an Alertmanager takes the node's alerts again", ["alertmanager": endpoint.url]))
        }
    }
}

extension AlertmanagerPeer {
    /// What an answer means. Any 2xx is success; a 400 says that some alerts are no good, and the others of the request are
    /// stored. <https://github.com/prometheus/alertmanager/blob/main/api/v2/api.go>
    enum Verdict: Equatable {
        case taken
        case refusedSome(String)
        /// It would say the same again: the next round asks.
        case refused(String)
        case retry(after: Duration?, String)

        /// - Parameter now: wall clock, nanoseconds: a Retry-After may be a date.
        init(_ answer: Answer, now: Int64) {
            switch answer {
            case .response(let response) where response.status == 400:
                self = .refusedSome("HTTP 400\(HTTPOutcome.said(response))")
            case .response(let response) where response.status == 410:
                self = .refused("HTTP 410: there is no API v2 at this url\(HTTPOutcome.said(response))")
            default:
                switch HTTPOutcome.of(answer, { response, _ in HTTPOutcome.of(response, now: now) }) {
                case .delivered, .partly: self = .taken
                case .retry(let after, let reason): self = .retry(after: after, reason)
                case .hold(let reason), .encodeAnew(let reason): self = .refused(reason)
                case .tooLarge: self = .refused("HTTP 413: the request is too large")
                case .refused(let reason, _): self = .refused("HTTP \(reason.status): \(reason.excerpt)")
                }
            }
        }

        var reason: String? {
            switch self {
            case .taken: nil
            case .refusedSome(let reason), .refused(let reason), .retry(_, let reason): reason
            }
        }
    }
}
