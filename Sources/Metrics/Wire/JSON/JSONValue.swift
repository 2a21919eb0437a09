/// A JSON document in memory: for small answers of backends, never for ingest.
public indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A whole number that an int64 holds, exact.
    case int(Int64)
    /// A whole number above that.
    case uint(UInt64)
    /// Any other number.
    case double(Double)
    case string(String)
    case array([JSONValue])
    /// Members in their order; keys are unique.
    case object([Member])

    public struct Member: Sendable, Equatable {
        public var key: String
        public var value: JSONValue
        public init(_ key: String, _ value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    /// Parses a whole document.
    ///
    /// - Parameters:
    ///   - depth: levels of nesting at most.
    ///   - values: values in the whole document at most, `.tooLarge` beyond.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, depth: Int = 32, values: Int = 1_000_000
    ) throws(WireError) -> JSONValue {
        var reader = JSONReader(bytes, depthLimit: depth)
        var budget = values
        let value = try reader.value(&budget)
        try reader.end()
        return value
    }

    public static func parse(_ bytes: [UInt8], depth: Int = 32, values: Int = 1_000_000) throws(WireError) -> JSONValue
    {
        let result = bytes.withUnsafeBytes { bytes -> Result<JSONValue, WireError> in
            do throws(WireError) { return .success(try parse(bytes, depth: depth, values: values)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// The member of an object, or nil.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    public var object: [Member]? { if case .object(let value) = self { value } else { nil } }

    public var int: Int64? {
        switch self {
        case .int(let value): value
        case .uint(let value): Int64(exactly: value)
        case .double(let value): Int64(exactly: value)
        default: nil
        }
    }

    public var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .uint(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
}

extension JSONReader {
    fileprivate mutating func value(_ budget: inout Int) throws(WireError) -> JSONValue {
        if budget == 0 { throw WireError(.tooLarge, "too many JSON values", offset: at) }
        budget -= 1
        switch try peek() {
        case .object: return .object(try members(&budget))
        case .array:
            var elements: [JSONValue] = []
            try beginArray()
            while try nextElement() { elements.append(try value(&budget)) }
            return .array(elements)
        case .string:
            let text = try text()
            defer { forgetText() }
            return .string(string(of: text))
        case .number: return try numberValue()
        case .bool: return .bool(try bool())
        case .null:
            try null()
            return .null
        }
    }

    private mutating func members(_ budget: inout Int) throws(WireError) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        var keys: Set<String> = []
        try beginObject()
        while let text = try nextKey() {
            let key = string(of: text)
            forgetText()
            if !keys.insert(key).inserted { throw failure("key \"\(key)\" twice in an object") }
            members.append(JSONValue.Member(key, try value(&budget)))
        }
        return members
    }

    private mutating func numberValue() throws(WireError) -> JSONValue {
        let start = at
        let spelling = try number().bytes(in: bytes)
        if let value = try? NumberParser.int64(spelling), !(value == 0 && spelling[0] == UInt8(ascii: "-")) {
            return .int(value)
        }
        if let value = try? NumberParser.uint64(spelling) { return .uint(value) }
        at = start
        return .double(Double(bitPattern: try float64()))
    }
}
