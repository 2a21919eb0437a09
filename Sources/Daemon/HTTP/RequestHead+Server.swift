import CHTTPServer

extension RequestHead {
    static let maximumHeaders = 128
    static let maximumParameters = 64

    /// Copies the head out of libmicrohttpd's memory.
    init(_ connection: OpaquePointer, url: UnsafePointer<CChar>?, method: UnsafePointer<CChar>?, peer: Peer) {
        self.method = method.map { String(cString: $0) } ?? ""
        path = url.map { String(cString: $0) } ?? "/"
        headers = RequestHead.values(connection, .HEADER_KIND, lowercased: true)
        query = RequestHead.values(connection, .GET_ARGUMENT_KIND, lowercased: false)
        self.peer = peer
        (requestID, traceParent, isChunked) = ("", "", false)
        requestID = RequestIdentity.requestID(header("x-request-id"))
        traceParent = RequestIdentity.traceParent(header("traceparent"))
        isChunked = header("transfer-encoding") != nil
        contentLength = isChunked ? nil : header("content-length").flatMap { Int($0) }
    }

    private static func values(
        _ connection: OpaquePointer, _ kind: MHD_ValueKind, lowercased: Bool
    ) -> [(name: String, value: String)] {
        var pairs = Pairs(lowercased: lowercased)
        withUnsafeMutablePointer(to: &pairs) { pointer in
            _ = MHD_get_connection_values_n(connection, kind, collectPair, pointer)
        }
        return pairs.all
    }

    fileprivate struct Pairs {
        var all: [(name: String, value: String)] = []
        var lowercased: Bool
        init(lowercased: Bool) {
            self.lowercased = lowercased
            all.reserveCapacity(12)
        }
    }

    /// What makes the end of the body doubtful: two readers could disagree about it, so we refuse to be one of them.
    /// <https://www.rfc-editor.org/rfc/rfc9112#section-6.3>
    var framingFault: String? {
        if headers.count > RequestHead.maximumHeaders { return "more than \(RequestHead.maximumHeaders) headers" }
        if query.count > RequestHead.maximumParameters {
            return "more than \(RequestHead.maximumParameters) parameters"
        }
        let lengths = headers.filter { $0.name == "content-length" }
        let encodings = headers.filter { $0.name == "transfer-encoding" }
        if !lengths.isEmpty, !encodings.isEmpty {
            return "a request has either Content-Length or Transfer-Encoding, not both"
        }
        if lengths.count > 1 { return "Content-Length is given more than once" }
        if let length = lengths.first {
            let isNumber = !length.value.isEmpty && length.value.utf8.allSatisfy { (48...57).contains($0) }
            guard isNumber, Int(length.value) != nil else { return "Content-Length is not a number of bytes" }
        }
        if encodings.count > 1 || encodings.contains(where: { $0.value.lowercased() != "chunked" }) {
            return "the only transfer coding taken is \"chunked\""
        }
        return nil
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
