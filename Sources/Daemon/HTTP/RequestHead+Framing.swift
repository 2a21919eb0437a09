import Glibc

/// What makes the end of a request, or its meaning, doubtful: two readers could disagree about it, so we refuse to be one
/// of them. Every refusal here ends the connection, because what follows may be a body or a request.
/// <https://www.rfc-editor.org/rfc/rfc9112#section-6.3>, <https://www.rfc-editor.org/rfc/rfc9112#section-11.2>
extension RequestHead {
    /// Of these a request has one at most: two could be read by two readers as two things.
    private static let singleHeaders: Set<String> = [
        "authorization", "content-encoding", "content-length", "content-type", "host", "transfer-encoding",
        "x-scope-orgid",
    ]

    var framingFault: String? {
        if headers.count > RequestHead.maximumHeaders { return "more than \(RequestHead.maximumHeaders) headers" }
        if query.count > RequestHead.maximumParameters {
            return "more than \(RequestHead.maximumParameters) parameters"
        }
        return lineFault ?? lengthFault
    }

    /// What the head takes beside the target, a blank or a line end after each part.
    var lineBytes: Int {
        method.utf8.count + version.utf8.count + 4
            + headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }

    /// The path's beginning, for answers: bounded in bytes, as a character has no bound.
    var shownPath: String { String(decoding: path.utf8.prefix(200), as: UTF8.self) }

    /// Lines that are no header lines to everybody.
    private var lineFault: String? {
        var seen: Set<String> = []
        for (name, value) in headers {
            // "Content-Length : 5" is no length to us, and may be one to a proxy before us (RFC 9112, 5.1).
            guard HeadLine.isToken(name) else { return "a header's name is followed by a blank, or is no name" }
            guard HeadLine.isFieldValue(value) else { return "the header \(name) holds a control character" }
            guard RequestHead.singleHeaders.contains(name) else { continue }
            guard seen.insert(name).inserted else { return "the header \(name) is given more than once" }
        }
        // Folding is obsolete, and refused as RFC 9112, 5.2 has it.
        if !areLinesWhole { return "a header line is folded, or does not end in CRLF" }
        if version == "HTTP/1.1", !seen.contains("host") { return "the header Host is missing" }
        return nil
    }

    private var lengthFault: String? {
        let encoding = header("transfer-encoding")
        if let length = header("content-length") {
            if encoding != nil { return "a request has either Content-Length or Transfer-Encoding, not both" }
            let isNumber = !length.isEmpty && length.utf8.allSatisfy { (48...57).contains($0) }
            guard isNumber, Int(length) != nil else { return "Content-Length is not a number of bytes" }
        }
        guard let encoding else { return nil }
        if encoding.lowercased() != "chunked" { return "the only transfer coding taken is \"chunked\"" }
        // A proxy of that age would not have known where the body ends (RFC 9112, 6.1).
        return version == "HTTP/1.0" ? "HTTP/1.0 has no Transfer-Encoding" : nil
    }
}

/// What header lines are made of. <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2>
enum HeadLine {
    /// CR and LF.
    static let endBytes: UInt = 2

    static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    return true
                default: return "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    static func isFieldValue(_ value: String) -> Bool { value.utf8.allSatisfy { $0 == 9 || ($0 >= 32 && $0 != 127) } }

    /// A request's target as it came: visible characters, without a blank in it; and, where it names a host, nothing there
    /// that would be a slash once it is decoded.
    static func isTarget(_ target: UnsafePointer<CChar>) -> Bool {
        let bytes = UnsafeRawBufferPointer(start: target, count: strlen(target))
        guard bytes.allSatisfy({ $0 > 32 && $0 != 127 }) else { return false }
        guard let host = hostStart(bytes) else { return true }
        let end = bytes[host...].firstIndex { "/?#".utf8.contains($0) } ?? bytes.endIndex
        return !bytes[host..<end].contains(UInt8(ascii: "%"))
    }

    /// Where the path is that a target asks for, also when a client that thinks of us as a proxy names the host as well: who
    /// it names does not matter here. <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>
    ///
    /// - Parameter target: decoded, without its query.
    static func path(ofTarget target: String) -> String {
        guard let host = hostStart(target.utf8) else { return target }
        guard let path = target.utf8[host...].firstIndex(of: UInt8(ascii: "/")) else { return "/" }
        return String(target[path...])
    }

    /// Behind the scheme of an absolute target; nil: it is none.
    private static func hostStart<Text: Collection<UInt8>>(_ target: Text) -> Text.Index? {
        for scheme in ["http://", "https://"] {
            var at = target.startIndex
            for wanted in scheme.utf8 {
                guard at < target.endIndex, target[at] == wanted || target[at] | 0x20 == wanted else { break }
                at = target.index(after: at)
            }
            if target.distance(from: target.startIndex, to: at) == scheme.utf8.count { return at }
        }
        return nil
    }
}
