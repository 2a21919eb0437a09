/// How a body is compressed: HTTP's `Content-Encoding` (RFC 9110, 8.4.1), and snappy as remote write uses it.
public enum ContentCoding: String, Sendable, CaseIterable {
    case identity
    case gzip
    /// HTTP's `deflate` is zlib's format (RFC 9110, 8.4.1.2).
    case deflate
    case zstd
    case snappy

    /// - Parameter header: the header's value; empty or absent means identity. Names are case-insensitive, and `x-gzip`
    ///   is `gzip` (RFC 9110, 8.4.1.3). Nil for anything else, lists of codings included: answer 415.
    public init?(header: String?) {
        let name = (header ?? "").lowercased()
        switch name {
        case "", "identity": self = .identity
        case "x-gzip": self = .gzip
        default: self.init(rawValue: name)
        }
    }
}
