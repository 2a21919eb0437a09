/// The keys that a small object may have; each at most once.
struct KnownKeys {
    let words: [StaticString]
    private var seen: UInt32 = 0

    init(_ words: [StaticString]) { self.words = words }

    /// The index of the key.
    mutating func match(_ text: JSONReader.Text, _ reader: JSONReader) throws(WireError) -> Int {
        guard let index = words.firstIndex(where: { reader.equals(text, $0) }) else {
            throw reader.unknownKey(text, known: words.map { "\($0)" })
        }
        if seen & 1 << UInt32(index) != 0 { throw reader.failure("key \"\(words[index])\" twice in an object") }
        seen |= 1 << UInt32(index)
        return index
    }

    private func has(_ index: Int) -> Bool { seen & 1 << UInt32(index) != 0 }

    func require(_ index: Int, _ reader: JSONReader) throws(WireError) {
        if !has(index) { throw reader.failure("object without \"\(words[index])\"") }
    }

    func requireOne(of first: Int, _ second: Int, _ reader: JSONReader) throws(WireError) {
        if has(first) == has(second) {
            throw reader.failure("either \"\(words[first])\" or \"\(words[second])\" is expected")
        }
    }

    func refuseBoth(_ first: Int, _ second: Int, _ reader: JSONReader) throws(WireError) {
        if has(first), has(second) {
            throw reader.failure("\"\(words[first])\" and \"\(words[second])\" exclude each other")
        }
    }
}

extension JSONReader {
    func unknownKey(_ text: Text, known: [String]) -> WireError {
        let key = String(string(of: text).prefix(64))
        guard let nearest = NearestWord.find(key, in: known) else { return failure("unknown key \"\(key)\"") }
        return failure("unknown key \"\(key)\": did you mean \"\(nearest)\"?")
    }

    /// A number, or the spelling of one that is not finite.
    mutating func floatOrSpecial() throws(WireError) -> UInt64 {
        switch try peek() {
        case .number: return try float64()
        case .string:
            let text = try text()
            if let bits = withText(text, JSONFloat.special) { return bits }
            throw failure("a number, \"NaN\", \"+Inf\", \"-Inf\" or \"stale\" is expected here")
        case .null: throw failure("null is no value: leave the record out")
        default: throw failure("a number is expected here")
        }
    }

    mutating func floats() throws(WireError) -> [UInt64] {
        var bits: [UInt64] = []
        try beginArray()
        while try nextElement() { bits.append(try floatOrSpecial()) }
        return bits
    }

    mutating func int<Value: FixedWidthInteger>(_: Value.Type) throws(WireError) -> Value {
        let value = try int64()
        guard let exact = Value(exactly: value) else { throw failure("number does not fit \(Value.bitWidth) bits") }
        return exact
    }

    mutating func base64() throws(WireError) -> [UInt8] {
        let text = try text()
        guard let bytes = withText(text, Base64.decode) else { throw failure("not base64") }
        return bytes
    }

    mutating func rfc3339() throws(WireError) -> Int64 {
        let text = try text()
        guard let time = withText(text, RFC3339.parse) else {
            throw failure("not a time as 2026-01-02T03:04:05.678Z")
        }
        return time
    }

    mutating func word<Value>(
        of values: [Value], _ what: StaticString, _ word: (Value) -> StaticString
    ) throws(WireError) -> Value {
        let text = try text()
        for value in values where equals(text, word(value)) { return value }
        let words = values.map { "\(word($0))" }.joined(separator: ", ")
        throw failure("\(what) is one of \(words)")
    }

    // MARK: Resource, scope, metadata

    mutating func metadata() throws(WireError) -> MetricMetadata {
        var metadata = MetricMetadata(family: "", kind: .unknown)
        var keys = KnownKeys(["family", "kind", "help", "unit"])
        try beginObject()
        while let key = try nextKey() {
            switch try keys.match(key, self) {
            case 0: metadata.family = try takeString()
            case 1: metadata.kind = try word(of: MetricKind.allCases, "kind", RecordWords.word(of:))
            case 2: metadata.help = try takeString()
            default: metadata.unit = try takeString()
            }
        }
        try keys.require(0, self)
        return metadata
    }

    mutating func resource() throws(WireError) -> Resource {
        var resource = Resource(attributes: [])
        var keys = KnownKeys(["attributes", "schema_url"])
        try beginObject()
        while let key = try nextKey() {
            switch try keys.match(key, self) {
            case 0: resource.attributes = try attributes()
            default: resource.schemaURL = try takeString()
            }
        }
        return resource
    }

    mutating func scope() throws(WireError) -> Scope {
        var scope = Scope(name: "")
        var keys = KnownKeys(["name", "version", "attributes", "schema_url"])
        try beginObject()
        while let key = try nextKey() {
            switch try keys.match(key, self) {
            case 0: scope.name = try takeString()
            case 1: scope.version = try takeString()
            case 2: scope.attributes = try attributes()
            default: scope.schemaURL = try takeString()
            }
        }
        return scope
    }

    /// An object, or pairs in an array where a key comes twice.
    private mutating func attributes() throws(WireError) -> [Attribute] {
        var attributes: [Attribute] = []
        if try peek() == .array {
            try beginArray()
            while try nextElement() {
                try beginArray()
                guard try nextElement() else { throw failure("an attribute is a key and a value") }
                let key = try takeString()
                guard try nextElement() else { throw failure("an attribute is a key and a value") }
                attributes.append(Attribute(key, try attributeValue()))
                if try nextElement() { throw failure("an attribute is a key and a value") }
            }
            return attributes
        }
        var names: Set<String> = []
        try beginObject()
        while let text = try nextKey() {
            let key = string(of: text)
            if !names.insert(key).inserted { throw failure("attribute \"\(key.prefix(64))\" twice in an object") }
            attributes.append(Attribute(key, try attributeValue()))
        }
        return attributes
    }

    private mutating func attributeValue() throws(WireError) -> AttributeValue {
        switch try peek() {
        case .string: return .string(try takeString())
        case .bool: return .bool(try bool())
        case .null:
            try null()
            return .empty
        case .array:
            var elements: [AttributeValue] = []
            try beginArray()
            while try nextElement() { elements.append(try attributeValue()) }
            return .array(elements)
        case .number:
            let start = at
            let isWhole = try number().bytes(in: bytes).allSatisfy {
                $0 <= UInt8(ascii: "9") && $0 != UInt8(ascii: ".")
            }
            at = start
            return isWhole ? .int(try int64()) : .double(try float64())
        case .object:
            var keys = KnownKeys(["double", "bytes", "map"])
            var value: AttributeValue?
            try beginObject()
            while let key = try nextKey() {
                if value != nil { throw failure("an attribute's object has one key") }
                switch try keys.match(key, self) {
                case 0: value = .double(try floatOrSpecial())
                case 1: value = .bytes(try base64())
                default: value = .map(try attributes())
                }
            }
            guard let value else { throw failure("an attribute's object has one key") }
            return value
        }
    }
}
