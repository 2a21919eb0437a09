/// Every HTTP connection this process opens: one thread owns libcurl's multi handle, any task hands it requests.
public final class HTTPTransport: Sendable {
    public init() {}

    /// One request, one answer. Redirects are not followed. Cancelling the task aborts the transfer.
    public func perform(_ request: HTTPRequest) async -> Answer {
        .failure(TransportFailure(mayHaveArrived: false, reason: "the transport is not running"))
    }

    /// Aborts what is running and ends the thread.
    public func close() {}
}
