import Metrics

extension BlockDecoder {
    /// - Parameter predictors: what is known of each series before, and then behind, its values.
    func pointColumns(series: Int, _ predictors: inout [ValuePredictor]) throws(SpoolError) -> PointColumns {
        precondition(predictors.count == series, "each series has one")
        let ids = try pointSeries(series: series)
        var columns = PointColumns()
        columns.times = try times(.times, count: ids.count, milliseconds: sections.flags.contains(.millisecondTimes))
        if !sections[.startTimes].isEmpty {
            columns.startTimes = try times(
                .startTimes, count: ids.count, milliseconds: sections.flags.contains(.millisecondStarts))
        }
        columns.kinds = try column(.kinds, count: ids.count) { PointKind(rawValue: $0) }
        columns.flags = try column(.flags, count: ids.count) { PointFlags(rawValue: $0) }
        columns.bits = try values(ids, columns.kinds, &predictors)
        columns.series = ids
        return columns
    }

    func pointSeries(series: Int) throws(SpoolError) -> [UInt32] {
        var reader = BlockReader(sections[.pointSeries])
        var ids: [UInt32] = []
        // A step takes at least a byte.
        guard reader.remaining <= Block.maximumPoints * 5 else { throw BlockReader.broken("too many points") }
        ids.reserveCapacity(min(reader.remaining, Block.maximumPoints))
        var expected: Int64 = 0
        while reader.remaining > 0 {
            let id = expected &+ Varint.unzigzag(try reader.varint())
            guard id >= 0, id < Int64(series), ids.count < Block.maximumPoints else {
                throw BlockReader.broken("a point has no series")
            }
            ids.append(UInt32(truncatingIfNeeded: id))
            expected = id + 1
            // Mostly each series comes behind the one before.
            let more = reader.run(of: 0, atMost: min(series - Int(expected), Block.maximumPoints - ids.count))
            if more > 0 {
                ids.appendNumbers(from: UInt32(expected), more)
                expected += Int64(more)
            }
        }
        return ids
    }

    func times(_ id: Block.SectionID, count: Int, milliseconds: Bool) throws(SpoolError) -> [Int64] {
        var reader = BlockReader(sections[id])
        var times: [Int64] = []
        guard reader.remaining >= count else { throw BlockReader.broken("a point has no time") }
        times.reserveCapacity(count)
        let unit: Int64 = milliseconds ? 1_000_000 : 1
        var value: Int64 = 0
        var time: Int64 = 0
        while times.count < count {
            let step = Varint.unzigzag(try reader.varint())
            if step != 0 {
                value = value &+ step
                let (scaled, overflow) = value.multipliedReportingOverflow(by: unit)
                guard !overflow else { throw BlockReader.broken("a time is out of range") }
                time = scaled
            }
            times.append(time)
            // A scrape has one time.
            let more = reader.run(of: 0, atMost: count - times.count)
            if more > 0 { times.append(contentsOf: repeatElement(time, count: more)) }
        }
        try reader.finish()
        return times
    }

    /// A byte a point, or an absent column.
    private func column<Entry>(
        _ id: Block.SectionID, count: Int, _ make: (UInt8) -> Entry?
    ) throws(SpoolError) -> [Entry] {
        let bytes = sections[id]
        if bytes.isEmpty { return [] }
        guard bytes.count == count else { throw BlockReader.broken("a column has another length") }
        var entries: [Entry] = []
        entries.reserveCapacity(count)
        for byte in bytes {
            guard let entry = make(byte) else { throw BlockReader.broken("an unknown entry in a column") }
            entries.append(entry)
        }
        return entries
    }

    private func values(
        _ ids: [UInt32], _ kinds: [PointKind], _ predictors: inout [ValuePredictor]
    ) throws(SpoolError) -> [UInt64] {
        var reader = ValueReader(
            classes: sections[.valueClasses], bytes: sections[.valueBytes],
            tops: sections.has(.valueTops) ? sections[.valueTops] : nil)
        if kinds.isEmpty {
            let bits = try float64s(ids, &reader, &predictors)
            try reader.finish()
            return bits
        }
        var tables = [UInt64](repeating: 0, count: PointKind.allCases.count)
        var bits: [UInt64] = []
        bits.reserveCapacity(ids.count)
        for ordinal in 0..<ids.count {
            let kind = kinds[ordinal]
            switch kind {
            case .float64: bits.append(try reader.float64(&predictors[Int(ids[ordinal])]))
            case .int64, .uint64, .bool: bits.append(try reader.integer(&predictors[Int(ids[ordinal])]))
            case .string, .explicitHistogram, .exponentialHistogram, .summary:
                bits.append(tables[Int(kind.rawValue)])
                tables[Int(kind.rawValue)] += 1
            }
        }
        try reader.finish()
        return bits
    }

    /// The same where there is nothing else.
    private func float64s(
        _ ids: [UInt32], _ reader: inout ValueReader, _ predictors: inout [ValuePredictor]
    ) throws(SpoolError) -> [UInt64] {
        var bits = [UInt64](repeating: 0, count: ids.count)
        try bits.withUnsafeMutableBufferPointer { (bits) throws(SpoolError) in
            // Ids were compared with their number when they were read.
            try predictors.withUnsafeMutableBufferPointer { (last) throws(SpoolError) in
                for (ordinal, id) in ids.enumerated() { bits[ordinal] = try reader.float64(&last[Int(id)]) }
            }
        }
        return bits
    }
}

/// The columns of values, read side by side.
private struct ValueReader {
    private var classes: BlockReader
    private let bytes: UnsafeRawBufferPointer
    /// Of blocks that have them apart.
    private let tops: UnsafeRawBufferPointer?
    private var at = 0
    private var top = 0

    init(classes: UnsafeRawBufferPointer, bytes: UnsafeRawBufferPointer, tops: UnsafeRawBufferPointer?) {
        self.classes = BlockReader(classes)
        self.bytes = bytes
        self.tops = tops
    }

    /// The next value of `count` bytes, 1...8, as a number.
    @inline(__always)
    private mutating func number(_ count: Int) throws(SpoolError) -> UInt64 {
        guard let tops else { return try low(count) }
        guard top < tops.count else { throw BlockReader.broken("a value ends early") }
        defer { top += 1 }
        let upper = UInt64(tops[top]) &<< UInt64(8 * (count - 1))
        return count == 1 ? upper : try low(count - 1) | upper
    }

    @inline(__always)
    private mutating func low(_ count: Int) throws(SpoolError) -> UInt64 {
        let start = at
        at += count
        if start + 8 <= bytes.count {
            let raw = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
            return raw & (UInt64.max >> UInt64(64 - count * 8))
        }
        return try lastNumber(start, count)
    }

    private func lastNumber(_ start: Int, _ count: Int) throws(SpoolError) -> UInt64 {
        guard start + count <= bytes.count else { throw BlockReader.broken("a value ends early") }
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(bytes[start + index]) << UInt64(index * 8) }
        return value
    }

    @inline(__always)
    mutating func float64(_ last: inout ValuePredictor) throws(SpoolError) -> UInt64 {
        let valueClass = try classes.byte()
        switch valueClass {
        case ValueClass.same: break
        case 1...8:
            let step = Varint.unzigzag(try number(Int(valueClass)))
            guard last.scale < ValueScale.count else { throw BlockReader.broken("a step without a start") }
            last.integer = last.integer &+ step
            last.bits = ValuePredictor.bits(of: last.integer, scale: last.scale)
        case ValueClass.decimalBase..<ValueClass.xorBase:
            let code = valueClass - ValueClass.decimalBase
            let integer = Varint.unzigzag(try number(Int(code % 8) + 1))
            last.integer = integer
            last.scale = code / 8
            last.bits = ValuePredictor.bits(of: integer, scale: last.scale)
        case ValueClass.xorBase..<ValueClass.xorBase + 64:
            let code = valueClass - ValueClass.xorBase
            let kept = try number(Int(code % 8) + 1)
            last.bits ^= kept << UInt64(code / 8 * 8)
            last.scale = ValuePredictor.bitsOnly
        default: throw BlockReader.broken("an unknown class of value")
        }
        return last.bits
    }

    @inline(__always)
    mutating func integer(_ last: inout ValuePredictor) throws(SpoolError) -> UInt64 {
        let valueClass = try classes.byte()
        guard valueClass <= 8 else { throw BlockReader.broken("an unknown class of value") }
        if valueClass > 0 {
            last.bits = last.bits &+ UInt64(bitPattern: Varint.unzigzag(try number(Int(valueClass))))
        }
        return last.bits
    }

    func finish() throws(SpoolError) {
        try classes.finish()
        guard at == bytes.count, top == tops?.count ?? 0 else {
            throw BlockReader.broken("values have bytes left over")
        }
    }
}
