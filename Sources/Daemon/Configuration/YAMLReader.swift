import CYAML
import Forwarder

/// What a config file may cost before it is refused.
struct YAMLLimits: Sendable {
    var bytes = 16 << 20
    var depth = 16
    var nodes = 1 << 20
    static let standard = YAMLLimits()
}

/// Reads one YAML document into a tree that knows its lines, over libyaml's event interface
/// (<https://pyyaml.org/wiki/LibYAML>).
///
/// Configuration needs maps, lists and values, so that is all there is: aliases (which can make a small file huge),
/// anchors, tags, a second document and a key given twice are errors.
struct YAMLReader {
    private let limits: YAMLLimits
    private var nodes = 0

    /// - Returns: the document; an empty one is an empty value, which reads as an empty section.
    static func read(_ bytes: [UInt8], limits: YAMLLimits = .standard) throws(SettingsError) -> SettingsNode {
        guard bytes.count <= limits.bytes else {
            throw SettingsError("the file is larger than \(limits.bytes) bytes", line: 1)
        }
        let parser = try YAMLEvents(bytes)
        var reader = YAMLReader(limits: limits)
        return try reader.document(parser)
    }

    private init(limits: YAMLLimits) { self.limits = limits }

    private mutating func document(_ parser: borrowing YAMLEvents) throws(SettingsError) -> SettingsNode {
        _ = try parser.next()  // The start of the stream.
        let start = try parser.next()
        guard case .documentStart = start.kind else { return SettingsNode(.scalar(""), line: 1) }
        let root = try node(try parser.next(), parser, depth: 0)
        _ = try parser.next()  // The end of the document.
        let end = try parser.next()
        guard case .streamEnd = end.kind else {
            throw SettingsError("a second document begins here; a config is one", line: end.line)
        }
        return root
    }

    private mutating func node(
        _ event: YAMLEvents.Event, _ parser: borrowing YAMLEvents, depth: Int
    ) throws(SettingsError) -> SettingsNode {
        nodes += 1
        guard nodes <= limits.nodes else {
            throw SettingsError("more than \(limits.nodes) keys and values", line: event.line)
        }
        guard depth <= limits.depth else {
            throw SettingsError("nested deeper than \(limits.depth) levels", line: event.line)
        }
        switch event.kind {
        case .scalar(let text): return SettingsNode(.scalar(text), line: event.line)
        case .listStart: return SettingsNode(.list(try list(parser, depth: depth)), line: event.line)
        case .mapStart: return SettingsNode(.map(try map(parser, depth: depth)), line: event.line)
        case .documentStart, .documentEnd, .listEnd, .mapEnd, .streamEnd, .other:
            throw SettingsError("a value was expected here", line: event.line)
        }
    }

    private mutating func list(
        _ parser: borrowing YAMLEvents, depth: Int
    ) throws(SettingsError) -> [SettingsNode] {
        var items: [SettingsNode] = []
        while true {
            let event = try parser.next()
            if case .listEnd = event.kind { return items }
            items.append(try node(event, parser, depth: depth + 1))
        }
    }

    private mutating func map(
        _ parser: borrowing YAMLEvents, depth: Int
    ) throws(SettingsError) -> [(key: String, line: Int, value: SettingsNode)] {
        var entries: [(key: String, line: Int, value: SettingsNode)] = []
        var lines: [String: Int] = [:]
        while true {
            let event = try parser.next()
            if case .mapEnd = event.kind { return entries }
            guard case .scalar(let key) = event.kind else {
                throw SettingsError("a key must be a plain word", line: event.line)
            }
            if let first = lines.updateValue(event.line, forKey: key) {
                throw SettingsError("\"\(key)\" is given twice, first on line \(first)", line: event.line)
            }
            let value = try node(try parser.next(), parser, depth: depth + 1)
            entries.append((key, event.line, value))
        }
    }
}
