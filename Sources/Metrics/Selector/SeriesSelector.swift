/// Which series: a name and conditions on labels, written as Prometheus writes them (`name{job="x",path=~"/api/.*"}`).
/// <https://prometheus.io/docs/prometheus/latest/querying/basics/#instant-vector-selectors>
///
/// A label that a series has not counts as empty. The name of a series of line protocol is the one that Prometheus gets:
/// `measurement_field`, the measurement alone for the field `value`. Where a series has no such label, the attribute of
/// its resource with that name counts.
public struct SeriesSelector: Sendable, Hashable, CustomStringConvertible {
    /// All of them must hold; a name is one on `__name__`.
    public var matchers: [LabelMatcher]

    public init(matchers: [LabelMatcher]) { self.matchers = matchers }

    public var description: String { "{" + matchers.map(\.description).joined(separator: ",") + "}" }

    public func matches(_ batch: Batch, series id: UInt32) -> Bool {
        matchers.allSatisfy { matcher in
            if matcher.isOfName, batch.series.identity(of: id).field != 0 {
                return matcher.matches(SeriesSelector.name(batch, id))
            }
            let found = batch.series.withLabels(of: id) { labels -> Bool? in
                for label in LabelIterator(labels) where matcher.isNamed(label.name) {
                    return matcher.matches(label.value)
                }
                return nil
            }
            return found ?? matcher.matches(SeriesSelector.attribute(matcher.name, batch, id))
        }
    }

    /// Of a series of line protocol.
    static func name(_ batch: Batch, _ id: UInt32) -> String {
        let field = batch.field(of: id)
        let measurement = batch.series.withLabels(of: id) { labels in
            LabelIterator(labels).first { $0.nameString == "__name__" }?.valueString ?? ""
        }
        return field == "value" ? measurement : "\(measurement)_\(field)"
    }

    private static func attribute(_ name: String, _ batch: Batch, _ id: UInt32) -> String {
        batch.resource(of: id)?.attributes.first { $0.key == name }?.value.text ?? ""
    }
}

/// A condition on one label.
public struct LabelMatcher: Sendable, Hashable, CustomStringConvertible {
    public enum Condition: Sendable, Hashable {
        case equal(String)
        case notEqual(String)
        case like(TextPattern)
        case notLike(TextPattern)
    }
    public var name: String
    public var condition: Condition

    public init(_ name: String, _ condition: Condition) {
        self.name = name
        self.condition = condition
    }

    var isOfName: Bool { name == "__name__" }

    func isNamed(_ bytes: UnsafeRawBufferPointer) -> Bool { LabelMatcher.isEqual(name, bytes) }

    func matches(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
    }

    func matches(_ value: UnsafeRawBufferPointer) -> Bool {
        switch condition {
        case .equal(let text): LabelMatcher.isEqual(text, value)
        case .notEqual(let text): !LabelMatcher.isEqual(text, value)
        case .like(let pattern): pattern.matches(value)
        case .notLike(let pattern): !pattern.matches(value)
        }
    }

    /// By bytes: Swift's own comparison takes different spellings of a character for the same.
    private static func isEqual(_ text: String, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard text.utf8.count == bytes.count else { return false }
        let isSame = text.utf8.withContiguousStorageIfAvailable { text in
            ByteOrder.compare(UnsafeRawBufferPointer(text), bytes) == 0
        }
        return isSame ?? text.utf8.elementsEqual(bytes)
    }

    public var description: String {
        let (sign, text) =
            switch condition {
            case .equal(let text): ("=", text)
            case .notEqual(let text): ("!=", text)
            case .like(let pattern): ("=~", pattern.source)
            case .notLike(let pattern): ("!~", pattern.source)
            }
        return
            "\(SelectorParser.isPlain(name) ? name : SelectorParser.quoted(name))\(sign)\(SelectorParser.quoted(text))"
    }

    public static func == (left: LabelMatcher, right: LabelMatcher) -> Bool {
        left.description.utf8.elementsEqual(right.description.utf8)
    }
    public func hash(into hasher: inout Hasher) { for byte in description.utf8 { hasher.combine(byte) } }
}
