// Identities compare byte by byte: see `ExactText`.

extension AttributeValue {
    public static func == (left: AttributeValue, right: AttributeValue) -> Bool {
        switch (left, right) {
        case (.string(let left), .string(let right)): ExactText(left) == ExactText(right)
        case (.bool(let left), .bool(let right)): left == right
        case (.int(let left), .int(let right)): left == right
        case (.double(let left), .double(let right)): left == right
        case (.bytes(let left), .bytes(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.map(let left), .map(let right)): left == right
        case (.empty, .empty): true
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .string(let value): hasher.combine(tag: 1, ExactText(value))
        case .bool(let value): hasher.combine(tag: 2, value)
        case .int(let value): hasher.combine(tag: 3, value)
        case .double(let bits): hasher.combine(tag: 4, bits)
        case .bytes(let value): hasher.combine(tag: 5, value)
        case .array(let values): hasher.combine(tag: 6, values)
        case .map(let attributes): hasher.combine(tag: 7, attributes)
        case .empty: hasher.combine(tag: 8, false)
        }
    }
}

extension Hasher {
    fileprivate mutating func combine(tag: UInt8, _ value: some Hashable) {
        combine(tag)
        combine(value)
    }
}

extension Attribute {
    public static func == (left: Attribute, right: Attribute) -> Bool {
        ExactText(left.key) == ExactText(right.key) && left.value == right.value
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ExactText(key))
        hasher.combine(value)
    }
}

extension Resource {
    public static func == (left: Resource, right: Resource) -> Bool {
        ExactText(left.schemaURL) == ExactText(right.schemaURL) && left.attributes == right.attributes
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ExactText(schemaURL))
        hasher.combine(attributes)
    }
}

extension Scope {
    public static func == (left: Scope, right: Scope) -> Bool {
        ExactText(left.name) == ExactText(right.name) && ExactText(left.version) == ExactText(right.version)
            && ExactText(left.schemaURL) == ExactText(right.schemaURL) && left.attributes == right.attributes
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ExactText(name))
        hasher.combine(ExactText(version))
        hasher.combine(ExactText(schemaURL))
        hasher.combine(attributes)
    }
}
