import CXXHash
import Metrics

extension Block {
    /// Encodes `batch` with the places its points have.
    ///
    /// - Parameters:
    ///   - origins: runs in ordinal order; their counts add up to the batch's points.
    ///   - workspace: scratch memory of the calling thread.
    /// - Returns: the block, unsealed (key id 0). It may exceed `maximumStoredBytes`: the caller then splits.
    public static func encode(_ batch: Batch, origins: [OriginRun], workspace: BlockWorkspace) -> [UInt8] {
        encode(batch, origins: origins, names: nil, workspace: workspace)
    }

    /// The same for a block that stands on bases.
    ///
    /// - Parameter names: where its series are found; nil: it says them all.
    static func encode(
        _ batch: Batch, origins: [OriginRun], names: BaseNames?, workspace: BlockWorkspace
    ) -> [UInt8] {
        precondition(batch.points.count <= maximumPoints, "a commit splits its points before it encodes them")
        precondition(origins.reduce(0) { $0 + $1.count } == batch.points.count, "every point has a place")
        precondition(
            names.map { $0.ids.count == batch.series.count && batch.series.isPlain } ?? true,
            "every series of a block that stands on bases has its labels, and nothing else")
        return BlockEncoder(batch: batch, origins: origins, names: names, workspace: workspace).encode()
    }
}

/// Writes one block, section by section. `docs/formats.md` has the layout of each.
struct BlockEncoder {
    let batch: Batch
    let origins: [OriginRun]
    let names: BaseNames?
    let workspace: BlockWorkspace

    var section: ScratchBuffer { workspace.section }

    func encode() -> [UInt8] {
        workspace.reset()
        var flags: Block.Flags = []
        addOrigins()
        addBases()
        addLabels()
        addIdentities()
        addTables()
        addPointSeries()
        if addTimes(batch.points.times, .times) { flags.insert(.millisecondTimes) }
        addValues()
        batch.points.kinds.withUnsafeBytes { workspace.add(.kinds, $0) }
        if addTimes(batch.points.startTimes, .startTimes) { flags.insert(.millisecondStarts) }
        batch.points.flags.withUnsafeBytes { workspace.add(.flags, $0) }
        addComplexValues()
        addExemplars()
        addMetadata()
        if batch.series.hasPrometheusNames, batch.series.count > 0 { flags.insert(.prometheusNames) }
        return assemble(flags)
    }

    private func assemble(_ flags: Block.Flags) -> [UInt8] {
        let head = section
        head.count = 0
        Block.magic.withUnsafeBytes { head.append($0) }
        head.append(names == nil ? Block.version : Block.standingVersion)
        head.append(flags.rawValue)
        for _ in 0..<4 { head.append(0) }  // Key id 0: not sealed.
        head.appendVarint(workspace.sections)
        head.append(workspace.directory.bytes)
        let covered = head.count + workspace.payload.count
        return [UInt8](unsafeUninitializedCapacity: covered + Block.checksumBytes) { bytes, count in
            let raw = UnsafeMutableRawBufferPointer(bytes)
            raw.copyMemory(from: head.bytes)
            UnsafeMutableRawBufferPointer(rebasing: raw[head.count...]).copyMemory(from: workspace.payload.bytes)
            let checksum = holdfast_xxh3(raw.baseAddress, covered)
            raw.storeBytes(of: checksum.littleEndian, toByteOffset: covered, as: UInt64.self)
            count = covered + Block.checksumBytes
        }
    }

    private func addOrigins() {
        section.count = 0
        var sequence: Int64 = 0
        for run in origins {
            section.appendZigzag(run.sequence &- sequence)
            section.appendVarint(UInt64(run.firstOrdinal))
            section.appendVarint(run.count)
            sequence = run.sequence
        }
        workspace.add(.origins, section.bytes)
    }

    /// Which bases, and each series by its number there: one more than a zigzag step from the number after the last one
    /// named; 0 for a series whose labels follow.
    private func addBases() {
        guard let names else { return }
        section.count = 0
        section.appendVarint(names.bases.count)
        for base in names.bases {
            section.appendZigzag(base.id)
            section.appendFixed(base.checksum)
        }
        workspace.add(.bases, section.bytes)
        section.count = 0
        section.reserve(names.ids.count * 6 + 10)
        names.ids.withUnsafeBufferPointer { ids in
            let base = section.base
            var at = 0
            var expected: Int64 = 0
            for id in ids {
                if id == BaseNames.own {
                    base[at] = 0
                    at += 1
                    continue
                }
                at = ScratchBuffer.writeVarint(Varint.zigzag(Int64(id) - expected) + 1, base, at)
                expected = Int64(id) + 1
            }
            section.count = at
        }
        workspace.add(.baseSeries, section.bytes)
    }

    /// Label bytes, each series against the one before it: how many bytes it shares at both ends, and what is between.
    private func addLabels() {
        let lengths = workspace.companion
        let text = section
        lengths.count = 0
        text.count = 0
        let table = batch.series
        table.labelBytes.withUnsafeBytes { arena in
            var previous = UnsafeRawBufferPointer(rebasing: arena[0..<0])
            for id in 0..<table.count where names == nil || names?.ids[id] == BaseNames.own {
                let labels = UnsafeRawBufferPointer(rebasing: arena[table.labelRange(of: UInt32(id))])
                let shared = min(previous.count, labels.count)
                let prefix = CommonBytes.prefix(previous, labels, limit: shared)
                let suffix = CommonBytes.suffix(previous, labels, limit: shared - prefix)
                lengths.appendVarint(prefix)
                lengths.appendVarint(suffix)
                lengths.appendVarint(labels.count - prefix - suffix)
                text.append(UnsafeRawBufferPointer(rebasing: labels[prefix..<labels.count - suffix]))
                previous = labels
            }
        }
        workspace.add(.labelLengths, lengths.bytes)
        workspace.add(.labelText, text.bytes)
    }

    /// Present only when some series is more than its labels.
    private func addIdentities() {
        let table = batch.series
        if table.isPlain { return }
        section.count = 0
        for id in 0..<table.count {
            let identity = table.identity(of: UInt32(id))
            section.appendVarint(UInt64(identity.field))
            section.appendVarint(UInt64(identity.unit))
            section.appendVarint(UInt64(identity.resource))
            section.appendVarint(UInt64(identity.scope))
            section.append(identity.kind.rawValue)
            section.append(identity.temporality.rawValue | (identity.isMonotonic ? 0x80 : 0))
        }
        workspace.add(.identities, section.bytes)
    }

    /// Series come in the order they first appear, so the usual step is plus one, stored as 0.
    private func addPointSeries() {
        section.count = 0
        section.reserve(batch.points.count * 5 + 10)
        batch.points.series.withUnsafeBufferPointer { series in
            let base = section.base
            var at = 0
            var expected: Int64 = 0
            for id in series {
                at = ScratchBuffer.writeVarint(Varint.zigzag(Int64(id) - expected), base, at)
                expected = Int64(id) + 1
            }
            section.count = at
        }
        workspace.add(.pointSeries, section.bytes)
    }

    /// Differences from point to point; in milliseconds when all are whole ones.
    ///
    /// - Returns: whether they are milliseconds.
    private func addTimes(_ times: [Int64], _ id: Block.SectionID) -> Bool {
        if times.isEmpty { return false }
        section.count = 0
        section.reserve(times.count * 10 + 10)
        let milliseconds = times.allSatisfy { $0 % 1_000_000 == 0 }
        let unit: Int64 = milliseconds ? 1_000_000 : 1
        times.withUnsafeBufferPointer { times in
            let base = section.base
            var at = 0
            var last: Int64 = 0
            var lastTime: Int64 = 0
            for time in times {
                // Most times are the one before: no division, no varint.
                if time == lastTime {
                    base[at] = 0
                    at += 1
                    continue
                }
                let value = time / unit
                at = ScratchBuffer.writeVarint(Varint.zigzag(value &- last), base, at)
                last = value
                lastTime = time
            }
            section.count = at
        }
        workspace.add(id, section.bytes)
        return milliseconds
    }
}

/// How many bytes two runs share, eight at a time.
enum CommonBytes {
    static func prefix(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, limit: Int) -> Int {
        var at = 0
        while at + 8 <= limit {
            let difference =
                a.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                ^ b.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            if difference != 0 { return at + difference.littleEndian.trailingZeroBitCount / 8 }
            at += 8
        }
        while at < limit, a[at] == b[at] { at += 1 }
        return at
    }

    static func suffix(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, limit: Int) -> Int {
        var at = 0
        while at + 8 <= limit {
            let difference =
                a.loadUnaligned(fromByteOffset: a.count - at - 8, as: UInt64.self)
                ^ b.loadUnaligned(fromByteOffset: b.count - at - 8, as: UInt64.self)
            if difference != 0 { return at + difference.littleEndian.leadingZeroBitCount / 8 }
            at += 8
        }
        while at < limit, a[a.count - 1 - at] == b[b.count - 1 - at] { at += 1 }
        return at
    }
}
