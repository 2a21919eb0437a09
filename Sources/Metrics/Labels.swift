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
        var named = false
        for index in pairs.indices {
            let pair = pairs[index]
            if pair.nameLength == 0 { throw .emptyName }
            if pair.nameLength > limits.nameBytes { throw .nameTooLong }
            if pair.valueLength > limits.valueBytes { throw .valueTooLong }
            if index > 0, order(index - 1, index) == 0 { throw .duplicateName }
            let end = pair.nameStart + pair.nameLength
            let name = text[pair.nameStart..<end]
            let value = text[end..<end + pair.valueLength]
            if !UTF8Check.isValid(name) || !UTF8Check.isValid(value) { throw .invalidUTF8 }
            if !named { named = name.elementsEqual(Batch.nameLabel) }
            write(name, value)
        }
        if requiresName && !named { throw .noMetricName }
    }

    private mutating func write(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        let inner = 2 + Varint.length(name.count) + name.count + Varint.length(value.count) + value.count
        canonical.append(0x0A)
        Varint.append(UInt64(inner), to: &canonical)
        canonical.append(0x0A)
        Varint.append(UInt64(name.count), to: &canonical)
        canonical.append(contentsOf: name)
        canonical.append(0x12)
        Varint.append(UInt64(value.count), to: &canonical)
        canonical.append(contentsOf: value)
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
        let a = pairs[left]
        let b = pairs[right]
        return text.withUnsafeBytes { bytes in
            ByteOrder.compare(
                UnsafeRawBufferPointer(rebasing: bytes[a.nameStart..<a.nameStart + a.nameLength]),
                UnsafeRawBufferPointer(rebasing: bytes[b.nameStart..<b.nameStart + b.nameLength]))
        }
    }
}
