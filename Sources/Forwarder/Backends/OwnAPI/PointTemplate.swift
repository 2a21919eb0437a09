import Metrics
import WALStore

/// A text for each point, with words in braces for what the point has, and texts around them.
///
/// Keys: `template`, `prefix`, `separator` (a line feed), `suffix`, `escape: json | none`. Words: `{name}`, `{labels}`,
/// `{label:NAME}` (empty where the point has no such label), `{field}`, `{value}`, `{time_ms}`, `{time_s}`, `{time_ns}`,
/// `{tenant}`. Braces around anything but a word are literal, so JSON is written as it is.
struct PointTemplate: Sendable {
    enum Escape: String, CaseIterable {
        /// Texts are escaped as inside a JSON string; `{labels}` is an object.
        case json
        /// Texts go out as they are, but for control characters, which become blanks: a label must not begin a line.
        /// `{labels}` is `name=value,name=value`.
        case none
    }

    /// Why a point has no place in a template.
    enum Exclusion: String {
        case notFinite = "value is not finite"
        case noNumber = "value is no number"
    }

    enum Part: Sendable, Equatable {
        case literal([UInt8])
        case name
        case labels
        case label([UInt8])
        case field
        case value
        case time(nanoseconds: Int64)
        case tenant
    }

    private let parts: [Part]
    private let prefix: TenantTemplate
    private let separator: [UInt8]
    private let suffix: TenantTemplate
    private let escape: Escape
    private let needsValue: Bool

    init?(_ settings: Settings) throws(SettingsError) {
        let isEscaped = try settings.choice("escape", default: Escape.json)
        let around = try ["prefix", "separator", "suffix"].map { (key: String) throws(SettingsError) in
            try settings.string(key)
        }
        guard let text = try settings.string("template") else {
            for key in ["escape", "prefix", "separator", "suffix"] where settings.has(key) {
                throw SettingsError("\(settings.name(of: key)) goes with a template", line: settings.line(of: key))
            }
            return nil
        }
        guard !text.isEmpty else {
            throw SettingsError("\(settings.name(of: "template")) is empty", line: settings.line(of: "template"))
        }
        parts = try Self.parse(text, settings)
        needsValue = parts.contains(.value)
        escape = isEscaped
        (prefix, suffix) = (TenantTemplate(around[0] ?? ""), TenantTemplate(around[2] ?? ""))
        separator = Array((around[1] ?? "\n").utf8)
    }

    // MARK: Reading

    private static let words: [(word: String, part: Part)] = [
        ("name", .name), ("labels", .labels), ("field", .field), ("value", .value), ("tenant", .tenant),
        ("time_ns", .time(nanoseconds: 1)), ("time_ms", .time(nanoseconds: 1_000_000)),
        ("time_s", .time(nanoseconds: 1_000_000_000)),
    ]

    private static func parse(_ text: String, _ settings: Settings) throws(SettingsError) -> [Part] {
        var parts: [Part] = []
        var literal: [UInt8] = []
        var rest = text[...]
        while let first = rest.first {
            guard first == "{", let part = try word(&rest, settings) else {
                literal.append(contentsOf: String(first).utf8)
                rest = rest.dropFirst()
                continue
            }
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal.removeAll()
            parts.append(part)
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        return parts
    }

    /// Takes a word in braces off the front; nil where there is none, and the brace is a literal.
    private static func word(_ rest: inout Substring, _ settings: Settings) throws(SettingsError) -> Part? {
        guard let end = rest.firstIndex(of: "}") else { return nil }
        let inside = rest[rest.index(after: rest.startIndex)..<end]
        let head = inside.prefix { $0 != ":" }
        guard !head.isEmpty, head.allSatisfy({ $0.isASCII && ($0.isLetter || $0 == "_") }) else { return nil }
        defer { rest = rest[rest.index(after: end)...] }
        if head == "label", inside.count > head.count + 1 { return .label(Array(inside.dropFirst(6).utf8)) }
        if let known = words.first(where: { $0.word == inside }) { return known.part }
        var message = "\(settings.name(of: "template")): {\(inside)} is no word of a point"
        let known = words.map(\.word) + ["label:NAME"]
        if let near = Settings.nearest(to: String(inside), in: known) {
            message += "; did you mean {\(near)}?"
        } else {
            message += "; there are \(known.map { "{\($0)}" }.joined(separator: ", "))"
        }
        throw SettingsError(message, line: settings.line(of: "template"))
    }

    // MARK: Writing

    func append(_ chunk: Chunk, into body: inout [UInt8], _ request: inout EncodedRequest) {
        let tenant = Array(chunk.tenant.utf8)
        body.append(contentsOf: prefix(chunk.tenant).utf8)
        for run in chunk.runs {
            let batch = chunk.pieces[run.piece].batch
            for ordinal in run.ordinals {
                if needsValue, let reason = Self.exclusion(batch, ordinal) {
                    request.exclude(piece: run.piece, ordinal: ordinal, reason: reason.rawValue)
                    continue
                }
                if request.points > 0 { body.append(contentsOf: separator) }
                batch.series.withLabels(of: batch.points.series[ordinal]) { labels in
                    for part in parts { append(part, batch, ordinal, labels, tenant, into: &body) }
                }
                request.points += 1
            }
        }
        body.append(contentsOf: suffix(chunk.tenant).utf8)
    }

    private static func exclusion(_ batch: Batch, _ ordinal: Int) -> Exclusion? {
        switch batch.points.kind(at: ordinal) {
        case .float64: FloatBits.isFinite(batch.points.bits[ordinal]) ? nil : .notFinite
        case .int64, .uint64, .bool: nil
        case .string, .explicitHistogram, .exponentialHistogram, .summary: .noNumber
        }
    }

    private func append(
        _ part: Part, _ batch: Batch, _ ordinal: Int, _ labels: UnsafeRawBufferPointer, _ tenant: [UInt8],
        into body: inout [UInt8]
    ) {
        switch part {
        case .literal(let bytes): body.append(contentsOf: bytes)
        case .name: append(label: Batch.nameLabel, of: labels, into: &body)
        case .label(let name): append(label: name, of: labels, into: &body)
        case .labels: append(all: labels, into: &body)
        case .field:
            var field = batch.field(of: batch.points.series[ordinal])
            field.withUTF8 { append(text: UnsafeRawBufferPointer($0), into: &body) }
        case .value: Self.append(batch.points.bits[ordinal], batch.points.kind(at: ordinal), into: &body)
        case .time(let unit):
            // Times before the epoch go down too.
            let (quotient, rest) = batch.points.times[ordinal].quotientAndRemainder(dividingBy: unit)
            NumberPrinter.append(rest < 0 ? quotient - 1 : quotient, to: &body)
        case .tenant: body.append(contentsOf: tenant)
        }
    }

    private static func append(_ bits: UInt64, _ kind: PointKind, into body: inout [UInt8]) {
        switch kind {
        case .int64: NumberPrinter.append(Int64(bitPattern: bits), to: &body)
        case .uint64: NumberPrinter.append(bits, to: &body)
        case .bool: body.append(contentsOf: bits == 0 ? "false".utf8 : "true".utf8)
        default: NumberPrinter.append(float64: bits, to: &body)
        }
    }

    private func append(label name: [UInt8], of labels: UnsafeRawBufferPointer, into body: inout [UInt8]) {
        for label in LabelIterator(labels) where label.name.elementsEqual(name) {
            return append(text: label.value, into: &body)
        }
    }

    private func append(all labels: UnsafeRawBufferPointer, into body: inout [UInt8]) {
        if escape == .json { return JSONRecordEncoder.appendLabels(labels, into: &body) }
        var isFirst = true
        for label in LabelIterator(labels) where !label.name.elementsEqual(Batch.nameLabel) {
            if !isFirst { body.append(UInt8(ascii: ",")) }
            isFirst = false
            append(text: label.name, into: &body)
            body.append(UInt8(ascii: "="))
            append(text: label.value, into: &body)
        }
    }

    private func append(text: UnsafeRawBufferPointer, into body: inout [UInt8]) {
        switch escape {
        case .json:
            // The quotation marks are the template's.
            let start = body.count
            JSONOutput.append(string: text, to: &body)
            body.remove(at: start)
            body.removeLast()
        case .none:
            for byte in text { body.append(byte < 32 || byte == 127 ? UInt8(ascii: " ") : byte) }
        }
    }
}
