import CHTTPServer

extension RequestHead {
    static let maximumHeaders = 128
    static let maximumParameters = 64

    /// Copies the head out of libmicrohttpd's memory.
    init(
        _ connection: OpaquePointer, url: UnsafePointer<CChar>?, method: UnsafePointer<CChar>?,
        version: UnsafePointer<CChar>?, peer: Peer
    ) {
        let versionText = version.map { String(cString: $0) } ?? ""
        var pairs = Pairs(lowercased: true)
        pairs.nextLine = UInt(bitPattern: version) + UInt(versionText.utf8.count) + HeadLine.endBytes
        RequestHead.collect(connection, .HEADER_KIND, into: &pairs)
        var arguments = Pairs(lowercased: false)
        RequestHead.collect(connection, .GET_ARGUMENT_KIND, into: &arguments)
        self.method = method.map { String(cString: $0) } ?? ""
        self.version = versionText
        path = HeadLine.path(ofTarget: url.map { String(cString: $0) } ?? "/")
        (headers, areLinesWhole) = (pairs.all, pairs.areLinesWhole)
        query = arguments.all
        self.peer = peer
        (requestID, traceParent, isChunked) = ("", "", false)
        requestID = RequestIdentity.requestID(header("x-request-id"))
        traceParent = RequestIdentity.traceParent(header("traceparent"))
        isChunked = header("transfer-encoding") != nil
        contentLength = isChunked ? nil : header("content-length").flatMap { Int($0) }
    }

    private static func collect(_ connection: OpaquePointer, _ kind: MHD_ValueKind, into pairs: inout Pairs) {
        withUnsafeMutablePointer(to: &pairs) { pointer in
            _ = MHD_get_connection_values_n(connection, kind, collectPair, pointer)
        }
    }

    fileprivate struct Pairs {
        var all: [(name: String, value: String)] = []
        var lowercased: Bool
        /// Where in libmicrohttpd's memory the next header line must begin, if each is one line that ends in CRLF.
        var nextLine: UInt = 0
        var areLinesWhole = true
        init(lowercased: Bool) {
            self.lowercased = lowercased
            all.reserveCapacity(12)
        }
    }
}

private func collectPair(
    _ context: UnsafeMutableRawPointer?, _ kind: MHD_ValueKind, _ name: UnsafePointer<CChar>?, _ nameBytes: Int,
    _ value: UnsafePointer<CChar>?, _ valueBytes: Int
) -> MHD_Result {
    guard let pairs = context?.assumingMemoryBound(to: RequestHead.Pairs.self) else { return .NO }
    // One past the limit is enough to know that there are too many.
    if pairs.pointee.all.count > max(RequestHead.maximumHeaders, RequestHead.maximumParameters) { return .NO }
    let lowercased = pairs.pointee.lowercased
    // Addresses only, never followed: a folded line, a line that ends in a bare LF and a NUL in a value leave gaps.
    if UInt(bitPattern: name) != pairs.pointee.nextLine { pairs.pointee.areLinesWhole = false }
    pairs.pointee.nextLine = UInt(bitPattern: value) + UInt(valueBytes) + HeadLine.endBytes
    pairs.pointee.all.append(
        (text(name, nameBytes, lowercased: lowercased), text(value, valueBytes, lowercased: false)))
    return .YES
}

private func text(_ bytes: UnsafePointer<CChar>?, _ count: Int, lowercased: Bool) -> String {
    guard let bytes, count > 0 else { return "" }
    let raw = UnsafeRawBufferPointer(start: bytes, count: count)
    guard lowercased else { return String(decoding: raw, as: UTF8.self) }
    return String(decoding: raw.lazy.map { (65...90).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
}
