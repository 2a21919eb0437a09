import Metrics

extension HTTPTestServer.Request {
    /// The body without its coding.
    ///
    /// - Parameter limit: of the plain body, bytes: `.tooLarge` beyond.
    public func plainBody(_ coding: ContentCoding, limit: Int) throws(WireError) -> [UInt8] {
        if coding == .identity {
            guard body.count <= limit else { throw WireError(.tooLarge, "the body is too large") }
            return body
        }
        var decompressor = Decompressor(coding, limit: limit)
        var plain: [UInt8] = []
        let failure = body.withUnsafeBytes { bytes -> WireError? in
            do throws(WireError) {
                try decompressor.feed(bytes, into: &plain)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
        try decompressor.finish(into: &plain)
        return plain
    }

    /// The path without a query, and the query's parameters.
    public var path: String { String(target.prefix { $0 != "?" }) }
    public var query: [String: String] {
        var all: [String: String] = [:]
        for pair in target.drop(while: { $0 != "?" }).dropFirst().split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            all[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
        }
        return all
    }
}
