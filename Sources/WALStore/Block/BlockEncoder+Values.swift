import Metrics

extension BlockEncoder {
    /// Writes every value: classes beside bytes, so that each column is regular where the data is, and apart from them the
    /// top byte of each, which is the one that can be told: small numbers are frequent, their low bytes are noise.
    func addValues() {
        let points = batch.points
        let classes = workspace.companion
        let bytes = workspace.section
        let tops = workspace.tops
        classes.count = 0
        bytes.count = 0
        tops.count = 0
        classes.reserve(points.count)
        tops.reserve(points.count)
        bytes.reserve(points.count * 8 + 8)
        preparePredictors()
        var writer = ValueWriter(classes: classes.base, bytes: bytes.base, tops: tops.base)
        workspace.predictors.withUnsafeMutableBufferPointer { predictors in
            points.series.withUnsafeBufferPointer { series in
                points.bits.withUnsafeBufferPointer { bits in
                    if points.kinds.isEmpty {
                        for ordinal in 0..<bits.count {
                            writer.writeFloat64(bits[ordinal], &predictors[Int(series[ordinal])])
                        }
                    } else {
                        for ordinal in 0..<bits.count {
                            writer.write(bits[ordinal], points.kinds[ordinal], &predictors[Int(series[ordinal])])
                        }
                    }
                }
            }
        }
        classes.count = writer.classCount
        bytes.count = writer.byteCount
        tops.count = writer.topCount
        workspace.add(.valueClasses, classes.bytes)
        workspace.add(.valueBytes, bytes.bytes)
        workspace.add(.valueTops, tops.bytes)
    }

    /// What is known of each series before its first value.
    private func preparePredictors() {
        workspace.predictors.removeAll(keepingCapacity: true)
        guard let names else {
            workspace.predictors.append(contentsOf: repeatElement(ValuePredictor(), count: batch.series.count))
            return
        }
        names.forEachRun { base, series in
            if let (base, first) = base {
                workspace.predictors.append(contentsOf: base.predictors[first..<first + series.count])
            } else {
                workspace.predictors.append(contentsOf: repeatElement(ValuePredictor(), count: series.count))
            }
        }
    }
}

/// The three columns of values, through pointers with room for all points and 8 bytes behind the last.
private struct ValueWriter {
    let classes: UnsafeMutablePointer<UInt8>
    let bytes: UnsafeMutablePointer<UInt8>
    let tops: UnsafeMutablePointer<UInt8>
    var classCount = 0
    var byteCount = 0
    var topCount = 0

    init(
        classes: UnsafeMutablePointer<UInt8>, bytes: UnsafeMutablePointer<UInt8>, tops: UnsafeMutablePointer<UInt8>
    ) {
        self.classes = classes
        self.bytes = bytes
        self.tops = tops
    }

    @inline(__always)
    private mutating func put(_ valueClass: UInt8) {
        classes[classCount] = valueClass
        classCount += 1
    }

    /// Keeps `count` bytes, 1...8: stores eight and counts all but the top one, which goes to the others of its kind.
    @inline(__always)
    private mutating func put(_ valueClass: UInt8, _ value: UInt64, _ count: Int) {
        put(valueClass)
        UnsafeMutableRawPointer(bytes).storeBytes(of: value.littleEndian, toByteOffset: byteCount, as: UInt64.self)
        byteCount += count - 1
        tops[topCount] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1)))
        topCount += 1
    }

    @inline(__always)
    private static func width(_ value: UInt64) -> Int { (71 - (value | 1).leadingZeroBitCount) / 8 }

    @inline(__always)
    mutating func write(_ bits: UInt64, _ kind: PointKind, _ last: inout ValuePredictor) {
        switch kind {
        case .float64: writeFloat64(bits, &last)
        case .int64, .uint64, .bool: writeInteger(bits, &last)
        // The n-th point of such a kind has the n-th entry of its table: nothing to write.
        case .string, .explicitHistogram, .exponentialHistogram, .summary: break
        }
    }

    @inline(__always)
    mutating func writeFloat64(_ bits: UInt64, _ last: inout ValuePredictor) {
        if bits == last.bits, last.scale != ValuePredictor.fresh { return put(ValueClass.same) }
        if last.scale < ValuePredictor.fresh, let integer = ValuePredictor.integer(for: bits, scale: last.scale) {
            let step = Varint.zigzag(integer &- last.integer)
            let count = ValueWriter.width(step)
            put(UInt8(truncatingIfNeeded: count), step, count)
            last.integer = integer
            last.bits = bits
            return
        }
        writeUnpredicted(bits, &last)
    }

    /// The first value of a series, or one that left its scale.
    private mutating func writeUnpredicted(_ bits: UInt64, _ last: inout ValuePredictor) {
        if last.scale != ValuePredictor.bitsOnly {
            if let (scale, integer) = ValuePredictor.firstScale(for: bits) {
                let zigzag = Varint.zigzag(integer)
                let count = ValueWriter.width(zigzag)
                put(ValueClass.decimalBase + scale * 8 + UInt8(count - 1), zigzag, count)
                last = ValuePredictor(bits: bits, integer: integer, scale: scale)
                return
            }
        }
        let difference = bits ^ last.bits
        let shift = difference == 0 ? 0 : difference.trailingZeroBitCount / 8
        let kept = difference >> UInt64(shift * 8)
        let count = ValueWriter.width(kept)
        put(ValueClass.xorBase + UInt8(shift * 8 + count - 1), kept, count)
        last = ValuePredictor(bits: bits, integer: 0, scale: ValuePredictor.bitsOnly)
    }

    @inline(__always)
    private mutating func writeInteger(_ bits: UInt64, _ last: inout ValuePredictor) {
        let step = Varint.zigzag(Int64(bitPattern: bits &- last.bits))
        if step == 0 { return put(ValueClass.same) }
        let count = ValueWriter.width(step)
        put(UInt8(truncatingIfNeeded: count), step, count)
        last.bits = bits
    }
}
