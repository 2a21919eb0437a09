/// How JSON is made and printed: the admin API's answers, `--json`, log lines, and the manifest of a backup.
/// <https://www.rfc-editor.org/rfc/rfc8259>
extension JSONValue {
    /// An object; members whose value is nil are left out.
    package static func map(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
        .object(members.compactMap { name, value in value.map { Member(name, $0) } })
    }
}

// MARK: - Writing

extension JSONValue {
    package var rendered: String {
        var bytes: [UInt8] = []
        write(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// With two spaces a level, for people.
    package var pretty: String {
        var bytes: [UInt8] = []
        write(into: &bytes, indent: 0)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// - Parameter indent: nil for one line.
    package func write(into bytes: inout [UInt8], indent: Int? = nil) {
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .int(let value): bytes.append(contentsOf: String(value).utf8)
        case .uint(let value): bytes.append(contentsOf: String(value).utf8)
        // JSON has no NaN and no infinities.
        case .double(let value): bytes.append(contentsOf: (value.isFinite ? "\(value)" : "null").utf8)
        case .string(let text): JSONOutput.append(string: text, to: &bytes)
        case .array(let items):
            JSONValue.list("[", "]", items, into: &bytes, indent) { $0.write(into: &$1, indent: $2) }
        case .object(let members):
            JSONValue.list("{", "}", members, into: &bytes, indent) { member, bytes, indent in
                JSONOutput.append(string: member.key, to: &bytes)
                bytes.append(contentsOf: (indent == nil ? ":" : ": ").utf8)
                member.value.write(into: &bytes, indent: indent)
            }
        }
    }

    private static func list<Item>(
        _ open: String, _ close: String, _ items: [Item], into bytes: inout [UInt8], _ indent: Int?,
        _ write: (Item, inout [UInt8], Int?) -> Void
    ) {
        bytes.append(contentsOf: open.utf8)
        for (index, item) in items.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            if let indent { newLine(indent + 1, into: &bytes) }
            write(item, &bytes, indent.map { $0 + 1 })
        }
        if let indent, !items.isEmpty { newLine(indent, into: &bytes) }
        bytes.append(contentsOf: close.utf8)
    }

    private static func newLine(_ indent: Int, into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indent * 2))
    }
}
