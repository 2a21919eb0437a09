/// A strict pull parser over bytes in memory (RFC 8259): the caller asks for what it expects, and what is something else
/// is an error with its offset.
///
/// Bounded: depth is limited, nothing is allocated but the text of strings that hold escapes. Refused: anything that is
/// not UTF-8, lone surrogates, control characters in strings, leading zeros, trailing commas, comments.
/// `nextKey` does not look for duplicate keys: who knows the keys does.
public struct JSONReader {
    /// Where a string's text is. Valid until `forgetText`.
    public struct Text: Sendable, Hashable {
        var span: Span
        /// In the text store rather than in the document: it had escapes.
        var isStored: Bool
        public var count: Int { span.count }
    }
    public enum Kind: Sendable { case object, array, string, number, bool, null }

    public let bytes: UnsafeRawBufferPointer
    public internal(set) var at = 0
    /// Unescaped texts.
    var store: [UInt8]
    private let depthLimit: Int
    private var depth = 0
    /// A bit a level: whether its first member is still to come.
    private var isFirst: UInt64 = 0

    /// - Parameters:
    ///   - depthLimit: levels of nesting, 63 at most.
    ///   - store: memory to reuse.
    public init(_ bytes: UnsafeRawBufferPointer, depthLimit: Int = 16, store: consuming [UInt8] = []) {
        self.bytes = bytes
        self.depthLimit = min(depthLimit, 63)
        self.store = store
    }

    /// Drops the texts of strings that had escapes, keeping the memory.
    public mutating func forgetText() { store.removeAll(keepingCapacity: true) }

    /// Gives the memory back for the next reader.
    mutating func takeStore() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &store)
        return taken
    }

    @inline(__always)
    public func withText<Result>(_ text: Text, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        if !text.isStored { return try body(text.span.bytes(in: bytes)) }
        return try store.withUnsafeBytes { try body(text.span.bytes(in: $0)) }
    }

    public func string(of text: Text) -> String { withText(text) { String(decoding: $0, as: UTF8.self) } }

    /// Takes a string as a `String`. (`string(of: try text())` would look for the text in the reader as it was before.)
    public mutating func takeString() throws(WireError) -> String {
        let text = try text()
        return string(of: text)
    }

    func equals(_ text: Text, _ word: StaticString) -> Bool {
        withText(text) { text in
            text.count == word.utf8CodeUnitCount
                && ByteOrder.compare(text, UnsafeRawBufferPointer(start: word.utf8Start, count: text.count)) == 0
        }
    }

    public func failure(_ message: String) -> WireError { WireError(.malformed, message, offset: at) }

    // MARK: Structure

    @inline(__always)
    public mutating func skipBlanks() {
        while at < bytes.count {
            let byte = bytes[at]
            if byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 { return }
            at += 1
        }
    }

    /// What comes next, without taking it.
    public mutating func peek() throws(WireError) -> Kind {
        skipBlanks()
        guard at < bytes.count else { throw failure("JSON ends too early") }
        switch bytes[at] {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        default: throw failure("not JSON")
        }
    }

    public mutating func beginObject() throws(WireError) { try begin(UInt8(ascii: "{"), "an object") }
    public mutating func beginArray() throws(WireError) { try begin(UInt8(ascii: "["), "an array") }

    private mutating func begin(_ opening: UInt8, _ what: StaticString) throws(WireError) {
        skipBlanks()
        guard at < bytes.count, bytes[at] == opening else { throw failure("\(what) is expected here") }
        if depth == depthLimit { throw failure("nested deeper than \(depthLimit) levels") }
        at += 1
        depth += 1
        isFirst |= 1 << UInt64(depth)
    }

    /// The next key of the object, whose value the caller takes next; nil at the object's end, which is taken.
    public mutating func nextKey() throws(WireError) -> Text? {
        guard try next(UInt8(ascii: "}")) else { return nil }
        let key = try text()
        skipBlanks()
        guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { throw failure("a colon is expected here") }
        at += 1
        return key
    }

    /// Whether the array has another value, which the caller takes next; the array's end is taken.
    public mutating func nextElement() throws(WireError) -> Bool { try next(UInt8(ascii: "]")) }

    @inline(__always)
    private mutating func next(_ closing: UInt8) throws(WireError) -> Bool {
        skipBlanks()
        guard at < bytes.count else { throw failure("JSON ends too early") }
        let bit: UInt64 = 1 << UInt64(depth)
        if bytes[at] == closing {
            at += 1
            depth -= 1
            isFirst &= ~bit
            return false
        }
        if isFirst & bit != 0 {
            isFirst &= ~bit
        } else {
            guard bytes[at] == UInt8(ascii: ",") else { throw failure("a comma or an end is expected here") }
            at += 1
            skipBlanks()
        }
        return true
    }

    /// Nothing but blanks may follow.
    public mutating func end() throws(WireError) {
        skipBlanks()
        if at < bytes.count { throw failure("something behind the end of the JSON") }
    }

    // MARK: Scalars without text

    public mutating func bool() throws(WireError) -> Bool {
        skipBlanks()
        if take("true") { return true }
        if take("false") { return false }
        throw failure("true or false is expected here")
    }

    public mutating func null() throws(WireError) {
        skipBlanks()
        if !take("null") { throw failure("null is expected here") }
    }

    private mutating func take(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard at + count <= bytes.count else { return false }
        for index in 0..<count where bytes[at + index] != word.utf8Start[index] { return false }
        at += count
        return true
    }

    /// Takes any value, checked as strictly as one that is wanted.
    public mutating func skipValue() throws(WireError) {
        switch try peek() {
        case .object:
            try beginObject()
            while try nextKey() != nil { try skipValue() }
        case .array:
            try beginArray()
            while try nextElement() { try skipValue() }
        case .string: _ = try text()
        case .number: _ = try number()
        case .bool: _ = try bool()
        case .null: try null()
        }
    }
}
