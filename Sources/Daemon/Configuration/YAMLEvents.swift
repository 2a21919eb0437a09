import CYAML
import Forwarder

/// libyaml's parser as a pull stream of events. The bytes live here for as long as libyaml reads them.
struct YAMLEvents: ~Copyable {
    struct Event {
        enum Kind {
            case documentStart, documentEnd, streamEnd
            case scalar(String)
            case listStart, listEnd
            case mapStart, mapEnd
            case other
        }
        var kind: Kind
        /// 1-based.
        var line: Int
    }

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>

    init(_ bytes: [UInt8]) throws(SettingsError) {
        parser = .allocate(capacity: 1)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            throw SettingsError("out of memory", line: 1)
        }
        input = .allocate(capacity: bytes.count)
        _ = input.initialize(from: bytes)
        yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event. After the end of the stream libyaml keeps giving empty events, which no caller asks for.
    func next() throws(SettingsError) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw problem() }
        defer { yaml_event_delete(&event) }
        let line = Int(event.start_mark.line) + 1
        switch event.type {
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, line: line)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, line: line)
        case YAML_STREAM_END_EVENT: return Event(kind: .streamEnd, line: line)
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .listEnd, line: line)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mapEnd, line: line)
        case YAML_ALIAS_EVENT:
            throw SettingsError("aliases (*name) are not supported: write the value out", line: line)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try plain(anchor: scalar.anchor, tag: scalar.tag, line)
            let text = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            guard !text.contains(0) else { throw SettingsError("a value contains a zero byte", line: line) }
            return Event(kind: .scalar(String(decoding: text, as: UTF8.self)), line: line)
        case YAML_SEQUENCE_START_EVENT:
            try plain(anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag, line)
            return Event(kind: .listStart, line: line)
        case YAML_MAPPING_START_EVENT:
            try plain(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag, line)
            return Event(kind: .mapStart, line: line)
        default: return Event(kind: .other, line: line)
        }
    }

    private func plain(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, _ line: Int
    ) throws(SettingsError) {
        guard anchor == nil else {
            throw SettingsError("anchors (&name) are not supported: write the value out", line: line)
        }
        guard tag == nil else {
            throw SettingsError("tags (!name) are not supported: write the plain value", line: line)
        }
    }

    private func isTab(line: Int, column: Int) -> Bool {
        let lines = input.split(separator: UInt8(ascii: "\n"), maxSplits: line + 1, omittingEmptySubsequences: false)
        guard lines.indices.contains(line) else { return false }
        return String(decoding: lines[line], as: UTF8.self).unicodeScalars.dropFirst(column).first == "\t"
    }

    private func problem() -> SettingsError {
        let text = parser.pointee.problem.map { String(cString: $0) } ?? "unreadable"
        let isScanned = parser.pointee.error == YAML_SCANNER_ERROR || parser.pointee.error == YAML_PARSER_ERROR
        let mark = isScanned ? parser.pointee.problem_mark : parser.pointee.mark
        // "found character that cannot start any token" is what libyaml calls it.
        if isScanned, isTab(line: Int(mark.line), column: Int(mark.column)) {
            return SettingsError(
                "not valid YAML: a tab (column \(mark.column + 1)); indent with blanks", line: Int(mark.line) + 1)
        }
        return SettingsError("not valid YAML: \(text) (column \(mark.column + 1))", line: Int(mark.line) + 1)
    }
}
