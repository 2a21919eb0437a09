/// Why a line of line protocol is not stored.
enum LineFault: Error {
    /// This line is set aside; the next one is read.
    case bad(RefusalReason, String)
    /// The body asks for more than a limit: it is refused whole.
    case limit(WireError)
}

/// Walks a body of line protocol and finds where its parts begin and end.
struct LineScanner {
    static let space = UInt8(ascii: " ")
    static let comma = UInt8(ascii: ",")
    static let equals = UInt8(ascii: "=")
    static let backslash = UInt8(ascii: "\\")
    static let quote = UInt8(ascii: "\"")
    static let newline = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")

    let body: UnsafeRawBufferPointer
    var at = 0
    /// 1-based, counting every physical line: comments, blank ones, and those inside strings.
    var line = 1

    init(_ body: UnsafeRawBufferPointer) { self.body = body }

    var isAtEnd: Bool { at >= body.count }

    @inline(__always)
    static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7f }

    /// Moves to the next point of this line; false, and past the line, when it is blank or a comment.
    mutating func findPoint() throws(LineFault) -> Bool {
        skipSpaces()
        if try endOfLine() { return false }
        if body[at] == UInt8(ascii: "#") {
            skipLine()
            return false
        }
        return true
    }

    @inline(__always)
    mutating func skipSpaces() {
        while at < body.count, body[at] == LineScanner.space { at += 1 }
    }

    mutating func skipLine() {
        while at < body.count, body[at] != LineScanner.newline { at += 1 }
        at += 1
        line += 1
    }

    /// Whether the line ends here, and if so moves behind it. `\r\n` ends one too, as in the reference grammar.
    mutating func endOfLine() throws(LineFault) -> Bool {
        if at == body.count { return true }
        if body[at] == LineScanner.newline {
            at += 1
            line += 1
            return true
        }
        guard body[at] == LineScanner.carriageReturn else { return false }
        guard at + 1 == body.count || body[at + 1] == LineScanner.newline else {
            throw .bad(.invalidLine, "carriage return inside a line")
        }
        at = min(at + 2, body.count)
        line += 1
        return true
    }

    /// The measurement with its tags: up to the first blank that is not escaped.
    mutating func row() throws(LineFault) -> Span {
        let start = at
        while at < body.count {
            let byte = body[at]
            if byte == LineScanner.space { return Span(start, at) }
            if byte == LineScanner.backslash {
                try skipEscape()
            } else if LineScanner.isControl(byte) {
                break
            } else {
                at += 1
            }
        }
        throw try missing("fields")
    }

    /// The name of a field, up to its `=`, which is passed.
    mutating func fieldKey() throws(LineFault) -> Span {
        let start = at
        while at < body.count {
            let byte = body[at]
            if byte == LineScanner.equals {
                if at == start { throw .bad(.invalidLine, "field without a name") }
                at += 1
                return Span(start, at - 1)
            }
            if byte == LineScanner.backslash {
                try skipEscape()
            } else if byte == LineScanner.space || byte == LineScanner.comma || LineScanner.isControl(byte) {
                break
            } else {
                at += 1
            }
        }
        throw try missing("field value")
    }

    /// A value that is no string: up to a comma, a blank or the end of the line.
    mutating func bareValue() -> Span {
        let start = at
        while at < body.count {
            let byte = body[at]
            if byte == LineScanner.comma || byte == LineScanner.space || LineScanner.isControl(byte) { break }
            at += 1
        }
        return Span(start, at)
    }

    /// The timestamp, if there is one; the scanner is behind the line afterwards.
    mutating func timestamp() throws(LineFault) -> Int64? {
        skipSpaces()
        if try endOfLine() { return nil }
        let start = at
        while at < body.count, body[at] != LineScanner.space, !LineScanner.isControl(body[at]) { at += 1 }
        let value: Int64
        do {
            value = try NumberParser.int64(Span(start, at).bytes(in: body))
        } catch {
            throw .bad(.invalidTime, error == .range ? "timestamp beyond 64 bits" : "timestamp is no whole number")
        }
        skipSpaces()
        guard try endOfLine() else { throw .bad(.invalidLine, "something behind the timestamp") }
        return value
    }

    /// A backslash takes a following comma, blank or `=` with it, and is itself otherwise; it cannot be the last byte
    /// of a line.
    @inline(__always)
    private mutating func skipEscape() throws(LineFault) {
        guard at + 1 < body.count, !LineScanner.isControl(body[at + 1]) else {
            throw .bad(.invalidLine, "backslash at the end of a name")
        }
        let next = body[at + 1]
        let isTaken = next == LineScanner.space || next == LineScanner.comma || next == LineScanner.equals
        at += isTaken ? 2 : 1
    }

    private func missing(_ what: String) throws(LineFault) -> LineFault {
        if at < body.count, LineScanner.isControl(body[at]), body[at] != LineScanner.newline,
            body[at] != LineScanner.carriageReturn
        {
            return .bad(.invalidLine, "control character \(body[at]) in a name")
        }
        return .bad(.invalidLine, "line without a \(what)")
    }

    /// How many points a line that cannot be read would have been: its commas between fields, plus one.
    static func countFields(_ body: UnsafeRawBufferPointer, from start: Int) -> Int {
        var scanner = LineScanner(body)
        scanner.at = start
        scanner.skipSpaces()
        guard (try? scanner.row()) != nil else { return 1 }
        scanner.skipSpaces()
        var points = 1
        var isQuoted = false
        var at = scanner.at
        while at < body.count, body[at] != newline {
            if body[at] == backslash {
                at += 1
            } else if body[at] == quote {
                isQuoted.toggle()
            } else if !isQuoted {
                if body[at] == space { break }
                if body[at] == comma { points += 1 }
            }
            at += 1
        }
        return points
    }
}
