/// Walks a body in the text exposition format, and finds where its parts begin and end.
struct ExpositionScanner {
    let body: UnsafeRawBufferPointer
    var at = 0
    var line = 1

    init(_ body: UnsafeRawBufferPointer) { self.body = body }

    func failure(_ message: String) -> WireError { WireError(.malformed, message, offset: at, line: line) }

    @inline(__always)
    mutating func skipBlanks() {
        while at < body.count, body[at] == 0x20 || body[at] == 0x09 { at += 1 }
    }

    @inline(__always)
    func isAt(_ byte: UInt8) -> Bool { at < body.count && body[at] == byte }

    /// Takes the line feed that ends every line, the last one too: a body cut in a number would otherwise go unnoticed.
    mutating func endLine() throws(WireError) {
        skipBlanks()
        guard at < body.count else { throw failure("the last line has no line feed: the body may be cut") }
        guard body[at] == UInt8(ascii: "\n") else { throw failure("the line should end here") }
        at += 1
        line += 1
    }

    mutating func skipLine() throws(WireError) {
        while at < body.count, body[at] != UInt8(ascii: "\n") { at += 1 }
        try endLine()
    }

    /// A metric's name: letters, digits, `_` and `:`, no digit first. Empty when there is none.
    @inline(__always)
    mutating func metricName() -> Span {
        let start = at
        while at < body.count, ExpositionScanner.isNameByte(body[at], first: at == start, colon: true) { at += 1 }
        return Span(start, at)
    }

    @inline(__always)
    mutating func labelName() -> Span {
        let start = at
        while at < body.count, ExpositionScanner.isNameByte(body[at], first: at == start, colon: false) { at += 1 }
        return Span(start, at)
    }

    @inline(__always)
    private static func isNameByte(_ byte: UInt8, first: Bool, colon: Bool) -> Bool {
        let lower = byte | 0x20
        if lower >= UInt8(ascii: "a"), lower <= UInt8(ascii: "z") { return true }
        if byte == UInt8(ascii: "_") { return true }
        if byte &- UInt8(ascii: "0") <= 9 { return !first }
        return colon && byte == UInt8(ascii: ":")
    }

    /// A quoted text, without its quotes, still escaped; the scanner is behind it.
    @inline(__always)
    mutating func quoted() throws(WireError) -> (span: Span, isEscaped: Bool) {
        at += 1
        let start = at
        var isEscaped = false
        while at < body.count {
            let byte = body[at]
            if byte == UInt8(ascii: "\"") {
                at += 1
                return (Span(start, at - 1), isEscaped)
            }
            if byte == UInt8(ascii: "\n") { break }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                at += 1
                if at == body.count || body[at] == UInt8(ascii: "\n") { break }
            }
            at += 1
        }
        throw failure("quoted text without an end")
    }

    /// Up to the next blank or line feed.
    @inline(__always)
    mutating func token() -> Span {
        let start = at
        while at < body.count, body[at] > 0x20 { at += 1 }
        return Span(start, at)
    }

    /// Up to the line feed.
    mutating func rest() -> Span {
        let start = at
        while at < body.count, body[at] != UInt8(ascii: "\n") { at += 1 }
        return Span(start, at)
    }
}

enum ExpositionText {
    /// Appends the meaning of an escaped text: `\\`, `\n`, and inside quotes `\"`. Other backslashes stay, as in
    /// Prometheus' scraper.
    static func unescape(_ text: UnsafeRawBufferPointer, quotes: Bool, to bytes: inout [UInt8]) {
        var at = 0
        while at < text.count {
            let byte = text[at]
            at += 1
            guard byte == UInt8(ascii: "\\"), at < text.count else {
                bytes.append(byte)
                continue
            }
            switch text[at] {
            case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "\"") where quotes: bytes.append(UInt8(ascii: "\""))
            case let other:
                bytes.append(byte)
                bytes.append(other)
            }
            at += 1
        }
    }
}
