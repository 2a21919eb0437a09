import Metrics

/// One place where what Grafana has is not what is wanted.
struct GrafanaDifference: Sendable, Equatable {
    /// `panels[2].title`
    var path: String
    /// nil: not there.
    var stored: JSONValue?
    var wanted: JSONValue?

    /// More are not told: they would be of one cause.
    static let maximum = 20

    /// Members that are wanted and are not as they are wanted. What Grafana has besides is its own: defaults, and fields of
    /// newer versions.
    ///
    /// - Returns: at most `maximum`; empty: nothing has to be written.
    static func between(_ stored: JSONValue?, _ wanted: JSONValue) -> [GrafanaDifference] {
        var found: [GrafanaDifference] = []
        compare(stored, wanted, at: "", into: &found)
        return found
    }

    private static func compare(
        _ stored: JSONValue?, _ wanted: JSONValue, at path: String, into found: inout [GrafanaDifference]
    ) {
        guard found.count < maximum else { return }
        switch (stored, wanted) {
        case (.object(let old)?, .object(let new)):
            let old = Dictionary(old.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
            for member in new {
                let place = path.isEmpty ? member.key : "\(path).\(member.key)"
                if member.key == "schemaVersion", isNewer(old[member.key], member.value) { continue }
                compare(old[member.key], member.value, at: place, into: &found)
            }
        case (.array(let old)?, .array(let new)) where old.count == new.count:
            for (index, pair) in zip(old, new).enumerated() {
                compare(pair.0, pair.1, at: "\(path)[\(index)]", into: &found)
            }
        default:
            guard !isSame(stored, wanted) else { return }
            found.append(GrafanaDifference(path: path, stored: stored, wanted: wanted))
        }
    }

    /// Grafana raises the version of a dashboard's form by itself, with what it had to change in it.
    private static func isNewer(_ stored: JSONValue?, _ wanted: JSONValue) -> Bool {
        guard let stored = stored?.int, let wanted = wanted.int else { return false }
        return stored >= wanted
    }

    private static func isSame(_ stored: JSONValue?, _ wanted: JSONValue) -> Bool {
        guard let stored, stored != .null else { return isNothing(wanted) }
        if let old = stored.double, let new = wanted.double { return old == new }
        return stored == wanted || (isNothing(stored) && isNothing(wanted))
    }

    /// Go leaves such values out where a field is marked `omitempty`. <https://pkg.go.dev/encoding/json#Marshal>
    private static func isNothing(_ value: JSONValue) -> Bool {
        switch value {
        case .null: true
        case .bool(let value): !value
        case .int(let value): value == 0
        case .uint(let value): value == 0
        case .double(let value): value == 0
        case .string(let text): text.isEmpty
        case .array(let elements): elements.isEmpty
        case .object(let members): members.allSatisfy { isNothing($0.value) }
        }
    }
}

extension GrafanaDifference {
    /// On a line; long values are cut.
    var text: String { "\(path): \(Self.text(stored)) -> \(Self.text(wanted))" }

    private static let maximumShown = 120

    private static func text(_ value: JSONValue?) -> String {
        guard let value else { return "nothing" }
        let text = Terminal.harmless(value.rendered)
        return text.count <= maximumShown ? text : text.prefix(maximumShown) + "…"
    }

    var json: JSONValue { .map(["path": .string(path), "stored": stored ?? .null, "wanted": wanted ?? .null]) }
}
