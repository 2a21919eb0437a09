import WALStore

/// A server that cannot start: which address, and why.
struct HTTPServerError: Error, Sendable, CustomStringConvertible { var description: String }

/// One listener with its threads, over libmicrohttpd.
final class HTTPServer: Sendable {
    /// Starts to listen and to answer.
    init(settings: HTTPServerSettings, routes: [Route], events: @escaping EventSink) throws(HTTPServerError) {
        throw HTTPServerError(description: "")
    }

    /// The port in use: what the system chose when port 0 was asked for; 0 for a Unix socket.
    var port: UInt16 { 0 }
    /// Connections now open.
    var connections: Int { 0 }

    /// Takes no new connections, answers what is under way, then closes; what has no answer within `limit` gets a 503.
    /// Blocks: call it from a thread that may wait. Calling it again does nothing.
    func drain(limit: Duration) {}
}
