/// One message for a stream.
struct NATSMessage: Sendable {
    var subject: String
    var headers: [(name: String, value: String)]
    /// Shared, never copied before it is sent.
    var body: [UInt8]

    /// What the server counts towards `max_payload`: `NATS/1.0`, a line for each header, a blank one, and the body.
    /// <https://docs.nats.io/reference/reference-protocols/nats-protocol#hpub>
    var bytes: Int { headerBytes + body.count }
    var headerBytes: Int {
        headers.reduce(12) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }
}
