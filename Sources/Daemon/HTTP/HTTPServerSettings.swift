/// Where a listener waits: `127.0.0.1:9009`, `[::1]:0`, `unix:/run/holdfast/admin.sock`.
enum ListenAddress: Sendable, Hashable {
    /// A numeric IPv4 or IPv6 address; port 0 asks the system for a free one.
    case tcp(host: String, port: UInt16)
    /// A socket file, made with mode 0600; a stale one is replaced, one that answers is not.
    case unix(path: String)
}

/// What one listener allows. Every limit has a name here and none is unbounded.
struct HTTPServerSettings: Sendable, Hashable {
    var address: ListenAddress
    /// Threads that read, decode and answer.
    var threads = 2
    /// Beyond it, whoever was idle or slow for longest makes room (`Crowd`).
    var maximumConnections = 1024
    /// The same for one peer address; without meaning on Unix sockets, which have none.
    var maximumConnectionsPerAddress = 512
    /// Request line and headers together: 431 beyond it.
    var maximumHeaderBytes = 32 << 10
    /// A body as it comes over the wire, where the route says nothing else: 413 beyond it.
    var maximumBodyBytes = 32 << 20
    /// From the accept, or from the request line on a kept connection, to the end of the headers: 408 beyond it.
    var headerTimeout = Duration.seconds(10)
    /// From the headers to the end of a gathered body; for a streamed one, time to bring `streamProgressBytes`: 408.
    var bodyTimeout = Duration.seconds(60)
    var streamProgressBytes = 16 << 10
    /// How long a kept connection may be silent: closed without a word.
    var idleTimeout = Duration.seconds(120)
    /// How long a handler may take until it answers: 503 beyond it, and its late answer is dropped.
    var answerTimeout = Duration.seconds(30)

    init(address: ListenAddress) { self.address = address }
}
