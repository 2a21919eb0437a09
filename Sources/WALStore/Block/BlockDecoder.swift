import CXXHash
import Metrics

extension Block {
    /// Decodes what `encode` made.
    ///
    /// - Parameters:
    ///   - base: gives the base of an id and a checksum, which a block that stands on some names.
    /// - Throws: what `base` threw; `SpoolError` with code `.unreadable` when the checksum is wrong or anything inside does not add up,
    ///   `.incompatible` for a later version or a sealed block without its key. Never traps, whatever the bytes.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer,
        base: (_ id: Int64, _ checksum: UInt64) throws(SpoolError) -> BlockBase = Block.noBase
    ) throws(SpoolError) -> DecodedBlock {
        let sections = try BlockSections(bytes)
        var predictors: [ValuePredictor] = []
        return try BlockDecoder(sections: sections, bases: try sections.bases(base)).decode(&predictors)
    }

    /// For whoever has blocks only that say all themselves.
    public static func noBase(_ id: Int64, _ checksum: UInt64) throws(SpoolError) -> BlockBase {
        throw BlockReader.broken("the block stands on a base that is not here")
    }
}

/// The sections of a block, decompressed. Owns their memory.
final class BlockSections {
    private(set) var flags: Block.Flags = []
    private(set) var standsOnBases = false
    private var sections = [UnsafeRawBufferPointer](
        repeating: UnsafeRawBufferPointer(start: nil, count: 0), count: Block.SectionID.allCases.count + 1)
    private var arenas: [UnsafeMutableRawBufferPointer] = []
    private var lines: [Line] = []
    private var loaded = SectionSet.none

    private struct Line {
        var id: Block.SectionID
        var encoding: Block.Encoding
        var decoded: Int
        var storedBytes: Int
        /// Where they are: known when the directory has been read.
        var stored = UnsafeRawBufferPointer(start: nil, count: 0)
    }

    deinit { for arena in arenas { arena.deallocate() } }

    /// - Parameters:
    ///   - bytes: must outlive this object: plain sections are read where they are.
    ///   - wanted: others are passed over, and are as if the block had none until they are loaded.
    init(_ bytes: UnsafeRawBufferPointer, only wanted: SectionSet = .all) throws(SpoolError) {
        let body = try BlockSections.checked(bytes)
        var reader = BlockReader(body)
        _ = try reader.take(Block.magic.count)
        let version = try reader.byte()
        standsOnBases = version == Block.standingVersion
        guard standsOnBases || version == Block.version else {
            throw SpoolError(.incompatible, "the block is of a later version")
        }
        flags = Block.Flags(rawValue: try reader.byte())
        guard Block.Flags.all.isSuperset(of: flags) else { throw BlockReader.broken("unknown flags") }
        let keyID = try reader.take(4)
        guard keyID.allSatisfy({ $0 == 0 }) else { throw SpoolError(.incompatible, "the block is sealed") }
        lines = try BlockSections.directory(&reader)
        guard standsOnBases || !lines.contains(where: { $0.id == .bases || $0.id == .baseSeries }) else {
            throw BlockReader.broken("a block that says all itself names a base")
        }
        for index in lines.indices { lines[index].stored = try reader.take(lines[index].storedBytes) }
        try reader.finish()
        try load(wanted)
    }

    /// The bases that the block names.
    func bases() throws(SpoolError) -> [(id: Int64, checksum: UInt64)] {
        guard standsOnBases else { return [] }
        var reader = BlockReader(self[.bases])
        var names: [(id: Int64, checksum: UInt64)] = []
        let count = try reader.varint()
        guard count <= UInt64(BlockBase.maximumOfABlock) else {
            throw BlockReader.broken("a block names too many bases")
        }
        for _ in 0..<count { names.append((try reader.zigzag(), try reader.fixed())) }
        try reader.finish()
        return names
    }

    /// The same, found.
    func bases(
        _ base: (_ id: Int64, _ checksum: UInt64) throws(SpoolError) -> BlockBase
    ) throws(SpoolError) -> [BlockBase] {
        var bases: [BlockBase] = []
        for name in try self.bases() { bases.append(try base(name.id, name.checksum)) }
        return bases
    }

    func has(_ id: Block.SectionID) -> Bool { !self[id].isEmpty }

    subscript(_ id: Block.SectionID) -> UnsafeRawBufferPointer { sections[Int(id.rawValue)] }

    private static func checked(_ bytes: UnsafeRawBufferPointer) throws(SpoolError) -> UnsafeRawBufferPointer {
        let covered = bytes.count - Block.checksumBytes
        guard covered >= Block.magic.count + 6, bytes.prefix(Block.magic.count).elementsEqual(Block.magic) else {
            throw BlockReader.broken("no block header")
        }
        let stored = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: covered, as: UInt64.self))
        guard holdfast_xxh3(bytes.baseAddress, covered) == stored else { throw BlockReader.broken("wrong checksum") }
        return UnsafeRawBufferPointer(rebasing: bytes[..<covered])
    }

    private static func directory(_ reader: inout BlockReader) throws(SpoolError) -> [Line] {
        var lines: [Line] = []
        var total = 0
        for _ in 0..<(try reader.count(entryBytes: 4)) {
            guard let id = Block.SectionID(rawValue: try reader.byte()),
                let encoding = Block.Encoding(rawValue: try reader.byte()),
                !lines.contains(where: { $0.id == id })
            else { throw BlockReader.broken("an unknown or repeated section") }
            let decoded = try reader.varint()
            let stored = try reader.varint()
            guard decoded <= UInt64(Block.maximumDecodedBytes), stored <= UInt64(reader.remaining) else {
                throw BlockReader.broken("a section is too long")
            }
            total += Int(decoded)
            guard total <= Block.maximumDecodedBytes else { throw BlockReader.broken("the block decodes to too much") }
            lines.append(Line(id: id, encoding: encoding, decoded: Int(decoded), storedBytes: Int(stored)))
        }
        return lines
    }

    /// Decompresses sections that were passed over before.
    func load(_ wanted: SectionSet) throws(SpoolError) {
        let wanted = wanted.subtracting(loaded)
        loaded = loaded.union(wanted)
        let room = lines.reduce(0) { $0 + ($1.encoding == .plain || !wanted.has($1.id) ? 0 : $1.decoded) }
        let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, room), alignment: 8)
        arenas.append(arena)
        let decompressor = BlockDecompressor()
        var at = 0
        for line in lines where wanted.has(line.id) {
            let target = UnsafeMutableRawBufferPointer(
                rebasing: arena[at..<at + (line.encoding == .plain ? 0 : line.decoded)])
            switch line.encoding {
            case .plain:
                guard line.stored.count == line.decoded else {
                    throw BlockReader.broken("a plain section's lengths differ")
                }
                sections[Int(line.id.rawValue)] = line.stored
                continue
            case .repeated:
                guard line.stored.count == 1 else { throw BlockReader.broken("a repeated section is one byte") }
                target.initializeMemory(as: UInt8.self, repeating: line.stored[0])
            case .zstd:
                guard decompressor.decompress(line.stored, into: target) else {
                    throw BlockReader.broken("a section does not decompress")
                }
            }
            sections[Int(line.id.rawValue)] = UnsafeRawBufferPointer(target)
            at += line.decoded
        }
    }

    /// Appends sections as they are stored, with what they decode to a length of: equal bytes are equal sections.
    func append(_ ids: SectionSet, to key: inout [UInt8]) {
        key.append(flags.rawValue)
        for line in lines where ids.has(line.id) {
            key.append(line.id.rawValue)
            key.append(line.encoding.rawValue)
            for length in [line.decoded, line.stored.count] {
                withUnsafeBytes(of: UInt32(truncatingIfNeeded: length)) { key.append(contentsOf: $0) }
            }
            key.append(contentsOf: line.stored)
        }
    }
}

/// Reads one block's sections back into a batch.
struct BlockDecoder {
    let sections: BlockSections
    /// Those that the block names, in its order.
    let bases: [BlockBase]

    /// - Parameter predictors: gets what is known of each series behind its last value.
    func decode(_ predictors: inout [ValuePredictor]) throws(SpoolError) -> DecodedBlock {
        var batch = try seriesBatch(&predictors)
        batch.points = try pointColumns(series: batch.series.count, &predictors)
        try readComplexValues(into: &batch)
        try readExemplars(into: &batch)
        batch.metadata = try list(.metadata, BlockDecoder.metadata)
        return DecodedBlock(batch: batch, origins: try origins(points: batch.points.count))
    }

    /// The series, with what they refer to, and no points.
    ///
    /// - Parameter predictors: gets what is known of each series before its first value.
    func seriesBatch(_ predictors: inout [ValuePredictor]) throws(SpoolError) -> Batch {
        var batch = try ownSeries()
        predictors = Array(repeating: ValuePredictor(), count: batch.series.count)
        if sections.standsOnBases {
            batch.series = try joined(batch.series, try names(own: batch.series, &predictors))
        }
        if batch.series.count > 0 { batch.series.hasPrometheusNames = sections.flags.contains(.prometheusNames) }
        return batch
    }

    /// Those that the block says itself, with what they refer to, and no points.
    func ownSeries() throws(SpoolError) -> Batch {
        let texts = try list(.texts) { (reader) throws(SpoolError) in try reader.text() }
        let resources = try list(.resources, BlockDecoder.resource)
        let scopes = try list(.scopes, BlockDecoder.scope)
        let series = try seriesTable(texts: texts.count, resources: resources.count, scopes: scopes.count)
        let batch = Batch(
            series: series, points: PointColumns(), texts: texts, resources: resources, scopes: scopes)
        guard batch.texts.count == texts.count + 1, batch.resources.count == resources.count,
            batch.scopes.count == scopes.count
        else { throw BlockReader.broken("a table repeats an entry") }
        return batch
    }

    func origins(points: Int) throws(SpoolError) -> [OriginRun] {
        var reader = BlockReader(sections[.origins])
        var runs: [OriginRun] = []
        var sequence: Int64 = 0
        var total = 0
        while reader.remaining > 0 {
            sequence &+= try reader.zigzag()
            let ordinal = try reader.varint()
            let count = try reader.varint()
            guard ordinal <= UInt64(Int64.max >> 1), count <= UInt64(points - total) else {
                throw BlockReader.broken("origins exceed the points")
            }
            total += Int(count)
            runs.append(OriginRun(sequence: sequence, firstOrdinal: Int64(ordinal), count: Int(count)))
        }
        guard total == points else { throw BlockReader.broken("a point has no origin") }
        return runs
    }

    // MARK: Series

    func seriesTable(texts: Int, resources: Int, scopes: Int) throws(SpoolError) -> SeriesTable {
        let ends = try labelEnds()
        let total = ends.last ?? 0
        var failure: SpoolError?
        // Never of no bytes: the initializer would write its count into the empty array that all threads share.
        let labels = [UInt8](unsafeUninitializedCapacity: max(1, total)) { bytes, count in
            failure = failureOf { () throws(SpoolError) in
                try expandLabels(into: UnsafeMutableRawBufferPointer(bytes), ends)
            }
            count = failure == nil ? total : 0
        }
        if let failure { throw failure }
        guard labels.withUnsafeBytes({ BlockDecoder.areWellFramed($0, ends) }) else {
            throw BlockReader.broken("labels are not canonical")
        }
        let identities = try identities(
            count: ends.count, texts: texts, resources: resources, scopes: scopes)
        return SeriesTable(labelBytes: labels, ends: ends, identities: identities)
    }

    /// Where each series' labels end, once nothing is shared any more: bounded before the memory is taken.
    private func labelEnds() throws(SpoolError) -> [Int] {
        var reader = BlockReader(sections[.labelLengths])
        var ends: [Int] = []
        var end = 0
        var previous = 0
        while reader.remaining > 0 {
            let prefix = try reader.varint()
            let suffix = try reader.varint()
            let middle = try reader.varint()
            guard prefix <= UInt64(previous), suffix <= UInt64(previous) - prefix,
                middle <= UInt64(sections[.labelText].count)
            else { throw BlockReader.broken("labels share more than there is") }
            previous = Int(prefix + suffix + middle)
            end += previous
            guard end <= Block.maximumDecodedBytes else { throw BlockReader.broken("labels decode to too much") }
            ends.append(end)
        }
        return ends
    }

    private func expandLabels(into target: UnsafeMutableRawBufferPointer, _ ends: [Int]) throws(SpoolError) {
        var lengths = BlockReader(sections[.labelLengths])
        var text = BlockReader(sections[.labelText])
        var start = 0
        var previous = 0..<0
        for end in ends {
            let prefix = Int(try lengths.varint())
            let suffix = Int(try lengths.varint())
            let middle = try text.take(Int(try lengths.varint()))
            let known = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(target)[previous])
            BlockDecoder.copy(UnsafeRawBufferPointer(rebasing: known[..<prefix]), to: target, at: start)
            BlockDecoder.copy(middle, to: target, at: start + prefix)
            BlockDecoder.copy(
                UnsafeRawBufferPointer(rebasing: known[(known.count - suffix)...]), to: target,
                at: start + prefix + middle.count)
            previous = start..<end
            start = end
        }
        try text.finish()
    }

    @inline(__always)
    private static func copy(_ bytes: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, at: Int) {
        guard let source = bytes.baseAddress, let base = target.baseAddress else { return }
        (base + at).copyMemory(from: source, byteCount: bytes.count)
    }

    /// `LabelIterator` trusts its bytes, so their framing is checked here.
    private static func areWellFramed(_ bytes: UnsafeRawBufferPointer, _ ends: [Int]) -> Bool {
        var start = 0
        for end in ends {
            guard CanonicalLabels.isWellFramed(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) else {
                return false
            }
            start = end
        }
        return true
    }

    /// The error of `body`, for closures that cannot pass one on.
    private func failureOf(_ body: () throws(SpoolError) -> Void) -> SpoolError? {
        do {
            try body()
            return nil
        } catch { return error }
    }

    private func identities(
        count: Int, texts: Int, resources: Int, scopes: Int
    ) throws(SpoolError) -> [SeriesIdentity] {
        var reader = BlockReader(sections[.identities])
        if reader.remaining == 0 { return [] }
        var identities: [SeriesIdentity] = []
        identities.reserveCapacity(count)
        for _ in 0..<count {
            var identity = SeriesIdentity()
            identity.field = try BlockDecoder.index(&reader, atMost: texts)
            identity.unit = try BlockDecoder.index(&reader, atMost: texts)
            identity.resource = try BlockDecoder.index(&reader, atMost: resources)
            identity.scope = try BlockDecoder.index(&reader, atMost: scopes)
            let kind = MetricKind(rawValue: try reader.byte())
            let adding = try reader.byte()
            guard let kind, let temporality = Temporality(rawValue: adding & 0x7f) else {
                throw BlockReader.broken("an unknown kind of series")
            }
            identity.kind = kind
            identity.temporality = temporality
            identity.isMonotonic = adding & 0x80 != 0
            identities.append(identity)
        }
        try reader.finish()
        return identities
    }

    static func index(_ reader: inout BlockReader, atMost limit: Int) throws(SpoolError) -> UInt32 {
        let value = try reader.varint()
        guard value <= UInt64(limit) else { throw BlockReader.broken("an index is out of range") }
        return UInt32(value)
    }

    /// A count, then the entries; nothing when the section is absent.
    func list<Entry>(
        _ id: Block.SectionID, _ read: (inout BlockReader) throws(SpoolError) -> Entry
    ) throws(SpoolError) -> [Entry] {
        var reader = BlockReader(sections[id])
        if reader.remaining == 0 { return [] }
        let count = try reader.count()
        var entries: [Entry] = []
        for _ in 0..<count { entries.append(try read(&reader)) }
        try reader.finish()
        return entries
    }
}
