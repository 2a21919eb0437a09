import CXXHash

/// Which series it is, the same in every batch, process and version: 128 bits over its labels and all else that tells it
/// from others. For tables that outlive a batch, where `SeriesTable` ids and seeded hashes mean nothing.
public struct SeriesKey: Sendable, Hashable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// - Parameter bytes: what the series is, in a form that never changes (`Batch.key`).
    init(hashing bytes: UnsafeRawBufferPointer) {
        let hash = holdfast_xxh3_128(bytes.baseAddress, bytes.count)
        (high, low) = (hash.high64, hash.low64)
    }
}

extension Batch {
    /// The key of one of its series.
    ///
    /// - Parameter scratch: room for the bytes of a series that is more than its labels; kept between calls.
    public func key(ofSeries id: UInt32, scratch: inout [UInt8]) -> SeriesKey {
        let identity = series.identity(of: id)
        if identity == .plain { return series.withLabels(of: id) { SeriesKey(hashing: $0) } }
        // Canonical labels never begin with the empty text, so what follows is no plain series.
        scratch.removeAll(keepingCapacity: true)
        scratch.append(0)
        series.withLabels(of: id) { SeriesKey.append($0, to: &scratch) }
        SeriesKey.append(texts[Int(identity.field)], to: &scratch)
        SeriesKey.append(texts[Int(identity.unit)], to: &scratch)
        scratch += [identity.kind.rawValue, identity.temporality.rawValue, identity.isMonotonic ? 1 : 0]
        SeriesKey.append(identity.resource == 0 ? nil : resources[Int(identity.resource) - 1], to: &scratch)
        SeriesKey.append(identity.scope == 0 ? nil : scopes[Int(identity.scope) - 1], to: &scratch)
        return scratch.withUnsafeBytes { SeriesKey(hashing: $0) }
    }
}

// Every part with its length or its tag before it: no two series are the same bytes.
extension SeriesKey {
    fileprivate static func append(_ bytes: UnsafeRawBufferPointer, to key: inout [UInt8]) {
        append(bytes.count, to: &key)
        key.append(contentsOf: bytes)
    }

    fileprivate static func append(_ text: String, to key: inout [UInt8]) {
        append(text.utf8.count, to: &key)
        key.append(contentsOf: text.utf8)
    }

    private static func append(_ number: Int, to key: inout [UInt8]) { append(UInt64(number), to: &key) }

    private static func append(_ number: UInt64, to key: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { key.append(contentsOf: $0) }
    }

    fileprivate static func append(_ resource: Resource?, to key: inout [UInt8]) {
        key.append(resource == nil ? 0 : 1)
        guard let resource else { return }
        append(resource.attributes, to: &key)
        append(resource.schemaURL, to: &key)
    }

    fileprivate static func append(_ scope: Scope?, to key: inout [UInt8]) {
        key.append(scope == nil ? 0 : 1)
        guard let scope else { return }
        append(scope.name, to: &key)
        append(scope.version, to: &key)
        append(scope.attributes, to: &key)
        append(scope.schemaURL, to: &key)
    }

    private static func append(_ attributes: [Attribute], to key: inout [UInt8]) {
        append(attributes.count, to: &key)
        for attribute in attributes {
            append(attribute.key, to: &key)
            append(attribute.value, to: &key)
        }
    }

    private static func append(_ value: AttributeValue, to key: inout [UInt8]) {
        switch value {
        case .string(let text):
            key.append(1)
            append(text, to: &key)
        case .bool(let flag): key += [2, flag ? 1 : 0]
        case .int(let number):
            key.append(3)
            append(UInt64(bitPattern: number), to: &key)
        case .double(let bits):
            key.append(4)
            append(bits, to: &key)
        case .bytes(let bytes):
            key.append(5)
            bytes.withUnsafeBytes { append($0, to: &key) }
        case .array(let values):
            key.append(6)
            append(values.count, to: &key)
            for value in values { append(value, to: &key) }
        case .map(let attributes):
            key.append(7)
            append(attributes, to: &key)
        case .empty: key.append(8)
        }
    }
}
