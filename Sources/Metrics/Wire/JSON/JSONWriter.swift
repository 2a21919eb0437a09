/// Writes JSON: commas and escapes are its business, nesting is the caller's.
///
/// ```swift
/// var json = JSONWriter()
/// json.beginObject()
/// json.member("tenant", "acme")
/// json.member("pending", 12)
/// json.end()
/// ```
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    /// The closing byte of each open level, and whether it has a value already.
    private var levels: [(closing: UInt8, isStarted: Bool)] = []
    private var isAfterKey = false

    public init() {}

    public var string: String { String(decoding: bytes, as: UTF8.self) }

    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        levels.removeAll(keepingCapacity: true)
        isAfterKey = false
    }

    // MARK: Structure

    public mutating func beginObject() { begin(UInt8(ascii: "{"), UInt8(ascii: "}")) }
    public mutating func beginArray() { begin(UInt8(ascii: "["), UInt8(ascii: "]")) }

    public mutating func beginObject(_ key: String) {
        self.key(key)
        beginObject()
    }

    public mutating func beginArray(_ key: String) {
        self.key(key)
        beginArray()
    }

    /// Ends the innermost object or array.
    public mutating func end() {
        guard let level = levels.popLast() else { preconditionFailure("end() without an open object or array") }
        bytes.append(level.closing)
    }

    public mutating func key(_ key: String) {
        separate()
        JSONOutput.append(string: key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        isAfterKey = true
    }

    /// A line's end between documents.
    public mutating func newline() { bytes.append(UInt8(ascii: "\n")) }

    private mutating func begin(_ opening: UInt8, _ closing: UInt8) {
        separate()
        bytes.append(opening)
        levels.append((closing, false))
    }

    private mutating func separate() {
        if isAfterKey {
            isAfterKey = false
        } else if !levels.isEmpty {
            if levels[levels.count - 1].isStarted { bytes.append(UInt8(ascii: ",")) }
            levels[levels.count - 1].isStarted = true
        }
    }

    // MARK: Values

    public mutating func value(_ value: String) {
        separate()
        JSONOutput.append(string: value, to: &bytes)
    }

    public mutating func value(_ value: some FixedWidthInteger) {
        separate()
        if let small = Int64(exactly: value) {
            NumberPrinter.append(small, to: &bytes)
        } else {
            NumberPrinter.append(UInt64(truncatingIfNeeded: value), to: &bytes)
        }
    }

    /// What is not finite becomes a string: `"NaN"`, `"+Inf"`, `"-Inf"`.
    public mutating func value(_ value: Double) {
        separate()
        JSONFloat.append(value.isNaN ? FloatBits.normalNaN : value.bitPattern, to: &bytes)
    }

    public mutating func value(_ value: Bool) {
        separate()
        JSONOutput.append(value ? "true" : "false", to: &bytes)
    }

    public mutating func null() {
        separate()
        JSONOutput.append("null", to: &bytes)
    }

    public mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): self.value(value)
        case .int(let value): self.value(value)
        case .uint(let value): self.value(value)
        case .double(let value): self.value(value)
        case .string(let value): self.value(value)
        case .array(let elements):
            beginArray()
            for element in elements { self.value(element) }
            end()
        case .object(let members):
            beginObject()
            for member in members { self.member(member.key, member.value) }
            end()
        }
    }

    // MARK: Members

    public mutating func member(_ key: String, _ value: String) {
        self.key(key)
        self.value(value)
    }

    public mutating func member(_ key: String, _ value: some FixedWidthInteger) {
        self.key(key)
        self.value(value)
    }

    public mutating func member(_ key: String, _ value: Double) {
        self.key(key)
        self.value(value)
    }

    public mutating func member(_ key: String, _ value: Bool) {
        self.key(key)
        self.value(value)
    }

    public mutating func member(_ key: String, _ value: JSONValue) {
        self.key(key)
        self.value(value)
    }
}
