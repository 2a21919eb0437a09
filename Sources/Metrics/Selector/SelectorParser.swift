extension SeriesSelector {
    /// A text is at most so long, and has at most so many conditions.
    public static let maximumBytes = 4096
    public static let maximumMatchers = 64

    /// Parses `name`, `{label="x"}`, `name{label=~"x|y",other!="z"}`, or `{"a name with.dots",label="x"}`.
    ///
    /// - Throws: `SelectorError` with the place of the fault.
    public static func parse(_ text: String) throws(SelectorError) -> SeriesSelector {
        guard text.utf8.count <= maximumBytes else {
            throw SelectorError("a selector is at most \(maximumBytes) bytes long", at: maximumBytes)
        }
        var parser = SelectorParser(text)
        return try parser.selector()
    }
}

/// Reads a selector byte by byte. <https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals>
struct SelectorParser {
    private let bytes: [UInt8]
    private var at = 0
    private var matchers: [LabelMatcher] = []

    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func selector() throws(SelectorError) -> SeriesSelector {
        skipBlanks()
        if let name = word(withColons: true) { matchers.append(LabelMatcher("__name__", .equal(name))) }
        skipBlanks()
        if take("{") { try conditions() }
        skipBlanks()
        guard at == bytes.count else { throw fault("nothing is expected here") }
        guard !matchers.isEmpty else { throw fault("a name or a condition is expected") }
        return SeriesSelector(matchers: matchers)
    }

    private mutating func conditions() throws(SelectorError) {
        while true {
            skipBlanks()
            if take("}") { return }
            try condition()
            guard matchers.count <= SeriesSelector.maximumMatchers else {
                throw fault("more than \(SeriesSelector.maximumMatchers) conditions")
            }
            skipBlanks()
            if take("}") { return }
            guard take(",") else { throw fault("\",\" or \"}\" is expected") }
        }
    }

    private mutating func condition() throws(SelectorError) {
        let start = at
        let isQuoted = at < bytes.count && SelectorParser.isQuote(bytes[at])
        guard let name = isQuoted ? try string() : word(withColons: false) else { throw fault("a label is expected") }
        skipBlanks()
        guard let sign = sign() else {
            // A quoted name by itself is the metric's.
            guard isQuoted, at < bytes.count, bytes[at] == UInt8(ascii: ",") || bytes[at] == UInt8(ascii: "}") else {
                throw fault("=, !=, =~ or !~ is expected")
            }
            guard !name.isEmpty else { throw SelectorError("the name is empty", at: start) }
            matchers.append(LabelMatcher("__name__", .equal(name)))
            return
        }
        guard !name.isEmpty else { throw SelectorError("the label is empty", at: start) }
        skipBlanks()
        let valueAt = at
        guard at < bytes.count, SelectorParser.isQuote(bytes[at]) else {
            throw fault("a value in quotes is expected")
        }
        let value = try string()
        matchers.append(LabelMatcher(name, try SelectorParser.condition(sign, value, at: valueAt)))
    }

    private static func condition(
        _ sign: String, _ value: String, at offset: Int
    ) throws(SelectorError) -> LabelMatcher.Condition {
        switch sign {
        case "=": return .equal(value)
        case "!=": return .notEqual(value)
        default:
            do throws(SelectorError) {
                let pattern = try TextPattern(value)
                return sign == "=~" ? .like(pattern) : .notLike(pattern)
            } catch {
                throw SelectorError("in the regular expression: \(error)", at: offset)
            }
        }
    }

    private mutating func sign() -> String? {
        for sign in ["=~", "!~", "!=", "="] where bytes[at...].starts(with: sign.utf8) {
            at += sign.utf8.count
            return sign
        }
        return nil
    }

    // MARK: Words

    private func fault(_ message: String) -> SelectorError { SelectorError(message, at: at) }

    private mutating func skipBlanks() {
        while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    private mutating func word(withColons: Bool) -> String? {
        let start = at
        while at < bytes.count, SelectorParser.isOfWord(bytes[at], isFirst: at == start, withColons) { at += 1 }
        return at == start ? nil : String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private static func isOfWord(_ byte: UInt8, isFirst: Bool, _ withColons: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): !isFirst
        case UInt8(ascii: ":"): withColons
        default: false
        }
    }

    /// Whether a label can be written without quotes.
    static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.enumerated().allSatisfy { isOfWord($1, isFirst: $0 == 0, false) }
    }

    // MARK: Strings

    private static func isQuote(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == UInt8(ascii: "`")
    }

    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\n": quoted += "\\n"
            case "\u{0}"..<" ", "\u{7F}": quoted += "\\x" + SelectorParser.hex(scalar.value)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    private static func hex(_ value: UInt32) -> String { (value < 16 ? "0" : "") + String(value, radix: 16) }

    private mutating func string() throws(SelectorError) -> String {
        let (start, quote) = (at, bytes[at])
        at += 1
        var text: [UInt8] = []
        while at < bytes.count, bytes[at] != quote {
            if bytes[at] == UInt8(ascii: "\\"), quote != UInt8(ascii: "`") {
                at += 1
                try escape(into: &text)
            } else {
                text.append(bytes[at])
                at += 1
            }
        }
        guard at < bytes.count else { throw SelectorError("the quote is not closed", at: start) }
        at += 1
        guard let string = String(validating: text, as: UTF8.self) else {
            throw SelectorError("the text in quotes is not UTF-8", at: start)
        }
        return string
    }

    private static let escapes: [UInt8: UInt8] = [
        UInt8(ascii: "a"): 0x07, UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C, UInt8(ascii: "n"): 0x0A,
        UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09, UInt8(ascii: "v"): 0x0B, UInt8(ascii: "\\"): 0x5C,
        UInt8(ascii: "\""): 0x22, UInt8(ascii: "'"): 0x27,
    ]

    private mutating func escape(into text: inout [UInt8]) throws(SelectorError) {
        guard at < bytes.count else { return }
        let letter = bytes[at]
        at += 1
        if let byte = SelectorParser.escapes[letter] { return text.append(byte) }
        switch letter {
        case UInt8(ascii: "x"): text.append(UInt8(try digits(2)))
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let start = at
            guard let scalar = Unicode.Scalar(try digits(letter == UInt8(ascii: "u") ? 4 : 8)) else {
                throw SelectorError("no such character", at: start)
            }
            text.append(contentsOf: Array(String(Character(scalar)).utf8))
        default:
            at -= 1
            throw fault("an escape that is not known: a backslash is written \\\\")
        }
    }

    private mutating func digits(_ count: Int) throws(SelectorError) -> UInt32 {
        let end = at + count
        guard end <= bytes.count, bytes[at..<end].allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
            let value = UInt32(String(decoding: bytes[at..<end], as: UTF8.self), radix: 16)
        else { throw fault("\(count) hexadecimal digits are expected") }
        at = end
        return value
    }
}
