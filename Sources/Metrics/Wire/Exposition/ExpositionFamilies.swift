/// The metric families of one body, by name.
struct ExpositionFamilies: Sendable {
    struct Family: Sendable {
        /// In `ExpositionDecoder.text`.
        var name: Span
        var kind = MetricKind.unknown
        var hasKind = false
        var help: Span?
    }
    private(set) var families: [Family] = []
    private var table = SpanTable()
    /// The family that the last sample belonged to, or the last comment was about.
    private var current: Int?

    mutating func removeAll() {
        families.removeAll(keepingCapacity: true)
        table.removeAll()
        current = nil
    }

    /// Runs `body` on the family whose name is at `name` in `text`, a new one if need be.
    mutating func update(_ name: Span, in text: UnsafeRawBufferPointer, _ body: (inout Family) -> Bool) -> Bool {
        let bytes = name.bytes(in: text)
        let hash = SpanTable.hash(bytes)
        let index: Int
        if let known = table.find(bytes, hash: hash, in: text) {
            index = Int(known)
        } else {
            index = families.count
            families.append(Family(name: name))
            table.insert(name, hash: hash, value: UInt32(index))
        }
        current = index
        return body(&families[index])
    }

    /// The kind of the family a sample belongs to: the one of its name, or a histogram or summary whose sample it is by
    /// its ending.
    @inline(__always)
    mutating func kind(of sample: UnsafeRawBufferPointer, in text: UnsafeRawBufferPointer) -> MetricKind {
        if let current {
            let family = families[current]
            let name = family.name.bytes(in: text)
            if sample.count >= name.count,
                ByteOrder.compare(UnsafeRawBufferPointer(rebasing: sample[..<name.count]), name) == 0,
                ExpositionFamilies.isEnding(
                    UnsafeRawBufferPointer(rebasing: sample[name.count...]), of: family.kind)
            {
                return family.kind
            }
        }
        return kindElsewhere(of: sample, in: text)
    }

    private mutating func kindElsewhere(of sample: UnsafeRawBufferPointer, in text: UnsafeRawBufferPointer)
        -> MetricKind
    {
        if families.isEmpty { return .unknown }
        if let index = find(sample, in: text) {
            current = index
            return families[index].kind
        }
        var length = sample.count - 1
        while length > 0, sample[length] != UInt8(ascii: "_") { length -= 1 }
        if length > 0, let index = find(UnsafeRawBufferPointer(rebasing: sample[..<length]), in: text),
            ExpositionFamilies.isEnding(UnsafeRawBufferPointer(rebasing: sample[length...]), of: families[index].kind)
        {
            current = index
            return families[index].kind
        }
        return .unknown
    }

    private func find(_ name: UnsafeRawBufferPointer, in text: UnsafeRawBufferPointer) -> Int? {
        table.find(name, hash: SpanTable.hash(name), in: text).map { Int($0) }
    }

    /// Whether a sample of a family of this kind may have this behind the family's name.
    private static func isEnding(_ ending: UnsafeRawBufferPointer, of kind: MetricKind) -> Bool {
        if ending.isEmpty { return true }
        func matches(_ word: StaticString) -> Bool {
            ending.count == word.utf8CodeUnitCount
                && ByteOrder.compare(ending, UnsafeRawBufferPointer(start: word.utf8Start, count: ending.count)) == 0
        }
        switch kind {
        case .histogram: return matches("_bucket") || matches("_sum") || matches("_count")
        case .summary: return matches("_sum") || matches("_count")
        default: return false
        }
    }
}
