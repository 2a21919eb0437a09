import Forwarder
import Glibc
import Metrics

/// Asks the running daemon. Nothing is ever asked twice, and nothing waits longer than its time-out.
struct AdminClient: Sendable {
    /// Why there is no answer to show.
    enum Failure: Error, Sendable {
        /// Nobody listens there: the daemon does not run, or runs elsewhere.
        case notRunning(String)
        /// This user may not open its socket.
        case forbidden(CommandFailure)
        /// It answered with an error.
        case refused(status: Int, detail: String)
    }

    var address: ListenAddress
    var token: Secret?

    init(_ configuration: Configuration) {
        address = configuration.adminAddress
        token = configuration.server.adminToken
    }

    func get(_ path: String) async throws(Failure) -> JSONValue { try await ask(.get, path, timeout: .seconds(10)) }

    /// - Parameter timeout: a reload or a drain may take a while.
    func post(
        _ path: String, body: JSONValue? = nil, timeout: Duration = .seconds(60)
    ) async throws(Failure) -> JSONValue {
        try await ask(.post, path, body: body, timeout: timeout)
    }

    private func ask(
        _ method: HTTPRequest.Method, _ path: String, body: JSONValue? = nil, timeout: Duration
    ) async throws(Failure) -> JSONValue {
        var request = HTTPRequest(method, "http://holdfast\(path)", timeout: timeout)
        switch address {
        case .unix(let socket): request.unixSocket = socket
        case .tcp: request.url = "http://\(address)\(path)"
        }
        if let body { request.body = Array(body.rendered.utf8) }
        if let token { request.authentication = .bearer(token) }
        request.maximumResponseBytes = 64 << 20
        let transport = HTTPTransport()
        defer { transport.close() }
        switch await transport.perform(request) {
        case .failure(let failure):
            // libcurl names the host of the URL, which means nothing on a socket.
            if case .unix(let socket) = address {
                if let refusal = StoppedData.refusal(socket, W_OK) { throw .forbidden(refusal) }
                throw .notRunning("nobody listens on that socket")
            }
            throw .notRunning(failure.reason)
        case .said: throw .notRunning("no answer")
        case .response(let response):
            let parsed = try? JSONValue.parse(response.body)
            guard (200..<300).contains(response.status), let parsed else {
                let text = parsed?["detail"]?.string ?? String(decoding: response.body.prefix(500), as: UTF8.self)
                throw .refused(status: response.status, detail: text)
            }
            return parsed
        }
    }
}

extension AdminClient.Failure {
    /// Nobody answers, or only that there is nothing to tell.
    var isAnswerless: Bool {
        switch self {
        case .notRunning: true
        case .forbidden: false
        case .refused(let status, _): status == 503
        }
    }

    /// What to tell the user, who asked for something only a running daemon can do.
    func asCommandFailure(_ address: ListenAddress) -> CommandFailure {
        switch self {
        case .notRunning(let reason):
            CommandFailure(
                "no daemon answers at \(address) (\(reason)); start it with `holdfast run`, "
                    + "or name its --config or --data-dir")
        case .forbidden(let refusal): refusal
        case .refused(let status, let detail): CommandFailure("the daemon answered \(status): \(detail)")
        }
    }
}
