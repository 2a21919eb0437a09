import Forwarder
import Metrics
import WALStore

/// One answer of Grafana's API.
struct GrafanaAnswer: Sendable {
    var status: Int
    var json: JSONValue?
    /// What it said, on one line and short.
    var words: String
    /// Where it sends us on to.
    var location: String?

    var isSuccess: Bool { (200..<300).contains(status) }
    /// Somebody was there before, or meanwhile: what is there has to be looked at. Older versions say it of rules with 400.
    var isConflict: Bool { status == 409 || status == 412 || status == 400 }
}

/// Asks Grafana, and again where it did not answer, is busy or fails. Each thing we write has a uid of ours, so that a request
/// that was carried out before its answer was lost meets what it made.
struct GrafanaClient: Sendable {
    var access: GrafanaAccess
    var transport: HTTPTransport
    /// Waits between attempts.
    var pause: @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    /// 0 to 1: how much of the longest wait it is.
    var jitter: @Sendable () -> Double = { Double.random(in: 0...1) }

    static let attempts = 5
    static let maximumResponseBytes = 32 << 20
    private static let depth = 63
    private static let values = 2_000_000
    private static let firstPause = Duration.milliseconds(500)
    /// Of a `Retry-After`, too: who runs a command is waiting.
    private static let longestPause = Duration.seconds(20)
    private static let shownCharacters = 300

    /// - Parameter path: from `/api` on, with its query.
    /// - Throws: only what leaves no answer. A status is the caller's to judge.
    func ask(
        _ method: HTTPRequest.Method, _ path: String, _ body: JSONValue? = nil,
        headers: [(name: String, value: String)] = []
    ) async throws(GrafanaFailure) -> GrafanaAnswer {
        var request = access.request(method, path, headers: headers)
        if let body {
            body.write(into: &request.body)
            request.headers.append(("Content-Type", "application/json"))
        }
        request.maximumResponseBytes = Self.maximumResponseBytes
        var attempt = 1
        while true {
            let asked: Duration?
            switch await transport.perform(request) {
            case .response(let response):
                let isBusy = response.status == 429 || response.status >= 500
                guard isBusy, attempt < Self.attempts else { return try Self.read(response) }
                asked = response.headers["retry-after"].flatMap { RetryAfter.parse($0, now: TimeSource.system.wall()) }
            case .failure(let failure):
                guard attempt < Self.attempts else {
                    throw GrafanaFailure(.unreachable, "Grafana does not answer at \(access.url): \(failure.reason)")
                }
                asked = nil
            case .said: throw GrafanaFailure(.unreachable, "no answer")
            }
            await pause(wait(attempt, asked))
            attempt += 1
        }
    }

    private func wait(_ attempt: Int, _ asked: Duration?) -> Duration {
        if let asked, asked > .zero { return min(asked, Self.longestPause) }
        return min(Self.firstPause * (1 << (attempt - 1)), Self.longestPause) * jitter()
    }

    private static func read(_ response: HTTPResponse) throws(GrafanaFailure) -> GrafanaAnswer {
        guard !response.isCut else {
            throw GrafanaFailure(.refused, "Grafana's answer is longer than \(maximumResponseBytes >> 20) MiB")
        }
        let json = try? JSONValue.parse(response.body, depth: depth, values: values)
        let isSuccess = (200..<300).contains(response.status)
        guard json != nil || !isSuccess || response.body.isEmpty else {
            throw GrafanaFailure(
                .unreachable, "what answers at --url speaks no JSON: it is no Grafana, or a log-in is before it")
        }
        let text = json?["message"]?.string ?? String(decoding: response.body.prefix(shownCharacters), as: UTF8.self)
        return GrafanaAnswer(
            status: response.status, json: json,
            words: String(Terminal.harmless(text).prefix(shownCharacters)),
            location: response.headers["location"].map { String(Terminal.harmless($0).prefix(shownCharacters)) })
    }
}
