extension JSONReader {
    // MARK: Strings

    /// Takes a string.
    public mutating func text() throws(WireError) -> Text {
        skipBlanks()
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw failure("a string is expected here") }
        at += 1
        let start = at
        var isASCII = true
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                let span = Span(start, at)
                if !isASCII { try checkUTF8(span) }
                at += 1
                return Text(span: span, isStored: false)
            }
            if byte == UInt8(ascii: "\\") { return try escapedText(from: start) }
            if byte < 0x20 { throw failure("control character in a string") }
            if byte >= 0x80 { isASCII = false }
            at += 1
        }
        throw failure("string without an end")
    }

    private mutating func checkUTF8(_ span: Span) throws(WireError) {
        if UTF8Check.isValid(span.bytes(in: bytes)) { return }
        at = span.start
        throw failure("string is not UTF-8")
    }

    /// Goes on where the first backslash is.
    private mutating func escapedText(from start: Int) throws(WireError) -> Text {
        let first = store.count
        store.append(contentsOf: Span(start, at).bytes(in: bytes))
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                guard UTF8Check.isValid(store[first...]) else { throw failure("string is not UTF-8") }
                at += 1
                return Text(span: Span(first, store.count), isStored: true)
            }
            if byte < 0x20 { throw failure("control character in a string") }
            at += 1
            if byte == UInt8(ascii: "\\") { try escape() } else { store.append(byte) }
        }
        throw failure("string without an end")
    }

    private mutating func escape() throws(WireError) {
        guard at < bytes.count else { throw failure("string without an end") }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): store.append(byte)
        case UInt8(ascii: "b"): store.append(0x08)
        case UInt8(ascii: "f"): store.append(0x0C)
        case UInt8(ascii: "n"): store.append(0x0A)
        case UInt8(ascii: "r"): store.append(0x0D)
        case UInt8(ascii: "t"): store.append(0x09)
        case UInt8(ascii: "u"): try unicodeEscape()
        default: throw failure("unknown escape in a string")
        }
    }

    private mutating func unicodeEscape() throws(WireError) {
        var code = try fourHexDigits()
        if (0xD800...0xDFFF).contains(code) {
            guard code < 0xDC00, at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"),
                bytes[at + 1] == UInt8(ascii: "u")
            else { throw failure("lone surrogate") }
            at += 2
            let low = try fourHexDigits()
            guard (0xDC00...0xDFFF).contains(low) else { throw failure("lone surrogate") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw failure("lone surrogate") }
        store.append(contentsOf: scalar.utf8)
    }

    private mutating func fourHexDigits() throws(WireError) -> UInt32 {
        guard at + 4 <= bytes.count else { throw failure("string without an end") }
        var code: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[at]
            let lower = byte | 0x20
            if byte &- UInt8(ascii: "0") <= 9 {
                code = code << 4 | UInt32(byte - UInt8(ascii: "0"))
            } else if lower >= UInt8(ascii: "a"), lower <= UInt8(ascii: "f") {
                code = code << 4 | UInt32(lower - UInt8(ascii: "a") + 10)
            } else {
                throw failure("four hexadecimal digits are expected here")
            }
            at += 1
        }
        return code
    }

    // MARK: Numbers

    /// Takes a number and says where its spelling is: exact, whatever type it is wanted in.
    mutating func number() throws(WireError) -> Span {
        skipBlanks()
        let start = at
        if at < bytes.count, bytes[at] == UInt8(ascii: "-") { at += 1 }
        let whole = at
        skipDigits()
        if at == whole { throw failure("a number is expected here") }
        if bytes[whole] == UInt8(ascii: "0"), at > whole + 1 { throw failure("number with a leading zero") }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            let fraction = at
            skipDigits()
            if at == fraction { throw failure("number without digits behind its point") }
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
            let exponent = at
            skipDigits()
            if at == exponent { throw failure("number without digits in its exponent") }
        }
        return Span(start, at)
    }

    @inline(__always)
    private mutating func skipDigits() {
        while at < bytes.count, bytes[at] &- UInt8(ascii: "0") <= 9 { at += 1 }
    }

    /// Takes a whole number; `1.0` and `1e3` are none.
    public mutating func int64() throws(WireError) -> Int64 {
        let span = try number()
        do throws(NumberFault) { return try NumberParser.int64(span.bytes(in: bytes)) } catch {
            throw numberFailure(error, span, "a whole number of 64 bits")
        }
    }

    public mutating func uint64() throws(WireError) -> UInt64 {
        let span = try number()
        do throws(NumberFault) { return try NumberParser.uint64(span.bytes(in: bytes)) } catch {
            throw numberFailure(error, span, "a whole number of 64 bits without a sign")
        }
    }

    /// Takes a number as the nearest float64; `1e400` is an error.
    /// - Returns: IEEE 754 bits.
    public mutating func float64() throws(WireError) -> UInt64 {
        let span = try number()
        do throws(NumberFault) { return try NumberParser.float64(span.bytes(in: bytes)) } catch {
            throw numberFailure(error, span, "a float of 64 bits")
        }
    }

    private mutating func numberFailure(_ fault: NumberFault, _ span: Span, _ wanted: String) -> WireError {
        at = span.start
        return failure(fault == .range ? "number does not fit \(wanted)" : "\(wanted) is expected here")
    }
}
