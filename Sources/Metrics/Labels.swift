/// Why a label set is not one a series can have. The raw value is what refusal rows and answers say.
public enum LabelFault: String, Error, Sendable, CaseIterable {
    case duplicateName = "duplicate label name"
    case emptyName = "empty label name"
    case invalidUTF8 = "label is not UTF-8"
    case nameTooLong = "label name too long"
    case valueTooLong = "label value too long"
    case tooManyLabels = "too many labels"
    case noMetricName = "no metric name"
}

/// What one series may carry. Beyond it a series is set aside as a refusal row and the rest of its request is stored.
public struct LabelLimits: Sendable, Hashable {
    public var nameBytes: Int
    public var valueBytes: Int
    public var labels: Int
    public init(nameBytes: Int = 1024, valueBytes: Int = 16 * 1024, labels: Int = 128) {
        self.nameBytes = nameBytes
        self.valueBytes = valueBytes
        self.labels = labels
    }
    public static let standard = LabelLimits()
}

/// One name and value inside canonical label bytes, borrowed for the call that got them.
public struct LabelView {
    public let name: UnsafeRawBufferPointer
    public let value: UnsafeRawBufferPointer
    public var nameString: String { String(decoding: name, as: UTF8.self) }
    public var valueString: String { String(decoding: value, as: UTF8.self) }
}

/// The labels of one series in canonical bytes: sorted bytewise by name, names unique, nothing empty, and each pair
/// written exactly as remote write 1.0 writes a `Label` inside a `TimeSeries`
/// (`0x0A len { 0x0A nameLen name 0x12 valueLen value }`, shortest varints).
///
/// One spelling for one label set: equal series have equal bytes, so a series is found by one hash and one compare,
/// and the remote-write encoder copies them as they are (`docs/decisions/0002-canonical-label-bytes.md`).
public struct LabelIterator: IteratorProtocol, Sequence {
    private var rest: UnsafeRawBufferPointer

    /// - Parameter bytes: canonical label bytes; anything else is a bug and traps.
    public init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    @inline(__always)
    public mutating func next() -> LabelView? {
        guard !rest.isEmpty else { return nil }
        var at = 1
        _ = readLength(&at)
        at += 1
        let nameLength = readLength(&at)
        let name = UnsafeRawBufferPointer(rebasing: rest[at..<at + nameLength])
        at += nameLength + 1
        let valueLength = readLength(&at)
        let value = UnsafeRawBufferPointer(rebasing: rest[at..<at + valueLength])
        rest = UnsafeRawBufferPointer(rebasing: rest[(at + valueLength)...])
        return LabelView(name: name, value: value)
    }

    @inline(__always)
    private func readLength(_ at: inout Int) -> Int {
        let byte = rest[at]
        if byte < 0x80 {
            at += 1
            return Int(byte)
        }
        return readLongLength(&at)
    }

    private func readLongLength(_ at: inout Int) -> Int {
        var value = 0
        var shift = 0
        while true {
            let byte = rest[at]
            at += 1
            value |= Int(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            precondition(shift <= 28, "canonical label bytes were checked when they were made")
        }
    }
}

/// Builds canonical label bytes from pairs in any order. Reused from series to series: it keeps its memory.
public struct LabelBuilder: Sendable {
    private struct Pair {
        var nameStart: Int
        var nameLength: Int
        var valueLength: Int

        /// Bytes of the pair inside its frame.
        @inline(__always) var innerLength: Int {
            2 + Varint.length(nameLength) + nameLength + Varint.length(valueLength) + valueLength
        }
        @inline(__always) func name(in text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: text[nameStart..<nameStart + nameLength])
        }
        @inline(__always) func value(in text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            let start = nameStart + nameLength
            return UnsafeRawBufferPointer(rebasing: text[start..<start + valueLength])
        }
        @inline(__always) func both(in text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: text[nameStart..<nameStart + nameLength + valueLength])
        }
    }
    private var text: [UInt8] = []
    private var pairs: [Pair] = []
    /// The result of the last `finish`.
    public private(set) var canonical: [UInt8] = []

    public init() {}

    public mutating func reset() {
        text.removeAll(keepingCapacity: true)
        pairs.removeAll(keepingCapacity: true)
    }

    /// Adds a pair; an empty value means the label is absent (Prometheus' rule), so it is left out.
    public mutating func add(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        if value.isEmpty { return }
        pairs.append(Pair(nameStart: text.count, nameLength: name.count, valueLength: value.count))
        text.append(contentsOf: name)
        text.append(contentsOf: value)
    }

    public mutating func add(_ name: String, _ value: String) {
        var name = name
        var value = value
        name.withUTF8 { name in
            value.withUTF8 { value in add(name: UnsafeRawBufferPointer(name), value: UnsafeRawBufferPointer(value)) }
        }
    }

    /// Sorts, checks and writes the pairs added since `reset` into `canonical`.
    ///
    /// - Parameter requiresName: whether a missing `__name__` is a fault (it is for points, not for exemplars).
    public mutating func finish(_ limits: LabelLimits = .standard, requiresName: Bool = true) throws(LabelFault) {
        canonical.removeAll(keepingCapacity: true)
        if pairs.count > limits.labels { throw .tooManyLabels }
        sort()
        if let fault = check(limits, requiresName: requiresName) { throw fault }
        write()
    }

    private func check(_ limits: LabelLimits, requiresName: Bool) -> LabelFault? {
        text.withUnsafeBytes { text in
            var named = false
            for index in pairs.indices {
                let pair = pairs[index]
                if pair.nameLength == 0 { return .emptyName }
                if pair.nameLength > limits.nameBytes { return .nameTooLong }
                if pair.valueLength > limits.valueBytes { return .valueTooLong }
                let name = pair.name(in: text)
                if index > 0, ByteOrder.compare(pairs[index - 1].name(in: text), name) == 0 { return .duplicateName }
                // Name and value are neighbours and checked at once; yet each must be whole by itself.
                let isWhole = text[pair.nameStart + pair.nameLength] & 0xC0 != 0x80
                if !isWhole || !UTF8Check.isValid(pair.both(in: text)) { return .invalidUTF8 }
                if !named, name.count == Batch.nameLabel.count {
                    named = Batch.nameLabel.withUnsafeBytes { ByteOrder.compare($0, name) == 0 }
                }
            }
            return requiresName && !named ? .noMetricName : nil
        }
    }

    /// Room is made once, so that the bytes are laid down without a check each.
    private mutating func write() {
        let size = pairs.reduce(0) { $0 + 1 + Varint.length($1.innerLength) + $1.innerLength }
        canonical.append(contentsOf: repeatElement(0, count: size))
        text.withUnsafeBytes { text in
            canonical.withUnsafeMutableBytes { out in
                var at = 0
                for pair in pairs {
                    LabelBuilder.put(0x0A, pair.innerLength, out, &at)
                    LabelBuilder.put(0x0A, pair.nameLength, out, &at)
                    LabelBuilder.copy(pair.name(in: text), out, &at)
                    LabelBuilder.put(0x12, pair.valueLength, out, &at)
                    LabelBuilder.copy(pair.value(in: text), out, &at)
                }
            }
        }
    }

    @inline(__always)
    private static func put(_ tag: UInt8, _ length: Int, _ out: UnsafeMutableRawBufferPointer, _ at: inout Int) {
        out[at] = tag
        at += 1
        var rest = length
        while rest >= 0x80 {
            out[at] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            at += 1
        }
        out[at] = UInt8(truncatingIfNeeded: rest)
        at += 1
    }

    @inline(__always)
    private static func copy(
        _ bytes: UnsafeRawBufferPointer, _ out: UnsafeMutableRawBufferPointer, _ at: inout Int
    ) {
        UnsafeMutableRawBufferPointer(rebasing: out[at..<at + bytes.count]).copyMemory(from: bytes)
        at += bytes.count
    }

    /// Few pairs, mostly sorted already: insertion sort does no allocation and almost no work.
    private mutating func sort() {
        for index in pairs.indices.dropFirst() {
            var at = index
            while at > 0, order(at - 1, at) > 0 {
                pairs.swapAt(at - 1, at)
                at -= 1
            }
        }
    }

    private func order(_ left: Int, _ right: Int) -> Int {
        text.withUnsafeBytes { ByteOrder.compare(pairs[left].name(in: $0), pairs[right].name(in: $0)) }
    }
}
