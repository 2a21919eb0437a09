import Metrics

/// Reads of a block what a question looks at, and no more: the series first, then which series each point is of, times,
/// and values.
final class AuditBlock {
    struct Parts: OptionSet {
        let rawValue: UInt8
        static let origins = Parts(rawValue: 1)
        /// Which series a point is of.
        static let series = Parts(rawValue: 2)
        static let times = Parts(rawValue: 4)
        static let values = Parts(rawValue: 8)
    }

    enum Failure: Error {
        /// SQLite could not read a base.
        case database(SQLiteError)
        case block(SpoolError)
    }

    private let source: AuditSource
    private(set) var series: AuditSeries
    /// Those of the last blocks, the latest first.
    private var known: [AuditSeries] = []
    /// Of bases, the latest first.
    private var bases: [KnownSeries] = []
    private(set) var ids: [UInt32] = []
    private(set) var times: [Int64] = []
    /// In place of `ids` and `times`, where few points were asked for.
    private(set) var chosen: [ChosenPoint]?
    private(set) var origins: [OriginRun] = []
    /// All columns, and values that are no scalars, when values were asked for; no series.
    private(set) var batch = Batch()
    private(set) var loaded: Parts = []
    private var key: [UInt8] = []

    private static let maximumKnown = 8
    /// Of all that are known but the latest, and of bases that no block at hand stands on.
    private static let maximumKnownBytes = 16 << 20

    private static let ofSeries: [Block.SectionID] = [
        .bases, .baseSeries, .labelLengths, .labelText, .identities, .texts, .resources, .scopes,
    ]
    private static let seriesSections = SectionSet(ofSeries)
    private static let pointSections = SectionSet(Block.SectionID.allCases.filter { !ofSeries.contains($0) })

    init(_ source: AuditSource) {
        self.source = source
        series = AuditSeries(key: [], own: KnownSeries(own: Batch(), names: source.names))
    }

    /// Nothing of a row has been read.
    func reset() { (loaded, chosen) = ([], nil) }

    /// - Parameters:
    ///   - filter: where it asks for none of the block's series, nothing but these is read: `loaded` is empty then.
    ///   - question: the filter's number.
    ///   - choosing: points of few series are given as `chosen`, where no values are asked for.
    func read(
        _ bytes: UnsafeRawBufferPointer, _ parts: Parts, of row: AuditRow, _ filter: AuditFilter, question: Int,
        choosing: Bool = false
    ) -> Result<Void, Failure> {
        loaded = []
        chosen = nil
        defer { source.countBlock(hasPoints: !loaded.isEmpty) }
        return Result { () throws(Failure) in
            do throws(SpoolError) {
                let sections = try BlockSections(bytes, only: .none)
                try findSeries(sections)
                if filter.asksSeries {
                    source.countMatched(series.choose(filter, question: question))
                    guard series.hasWanted else { return }
                }
                try sections.load(AuditBlock.sections(parts))
                let isChosen = choosing && filter.asksSeries && !parts.contains(.values) && series.areFewWanted
                try read(parts, of: row, BlockDecoder(sections: sections, bases: []), choosing: isChosen)
            } catch { throw pending.map { .database($0) } ?? .block(error) }
        }
    }

    /// Without those that tell of the series.
    private static func sections(_ parts: Parts) -> SectionSet {
        // Values come with everything that may belong to them.
        if parts.contains(.values) { return pointSections }
        var wanted: [Block.SectionID] = []
        if parts.contains(.origins) { wanted.append(.origins) }
        if !parts.isDisjoint(with: [.series, .times]) { wanted.append(.pointSeries) }
        if parts.contains(.times) { wanted.append(.times) }
        return SectionSet(wanted)
    }

    /// What SQLite said when a base could not be read.
    private var pending: SQLiteError?

    /// Sets `series`. What tells of them is decompressed only where the last blocks had it otherwise.
    private func findSeries(_ sections: BlockSections) throws(SpoolError) {
        pending = nil
        key.removeAll(keepingCapacity: true)
        sections.append(AuditBlock.seriesSections, to: &key)
        if series.key == key { return }
        if let index = known.firstIndex(where: { $0.key == key }) { return use(known.remove(at: index)) }
        try sections.load(AuditBlock.seriesSections)
        var bases: [BlockBase] = []
        for name in try sections.bases() {
            do throws(SQLiteError) { bases.append(try source.bases.base(name.id, name.checksum)) } catch {
                pending = error
                throw error.asSpoolError
            }
        }
        let decoder = BlockDecoder(sections: sections, bases: bases)
        let own = KnownSeries(own: try decoder.ownSeries(), names: source.names)
        guard sections.standsOnBases else { return use(AuditSeries(key: key, own: own)) }
        let runs = try decoder.baseRuns(own: own.batch.series)
        use(AuditSeries(key: key, own: own, runs, tables: bases.map(table)))
    }

    private func table(of base: BlockBase) -> KnownSeries {
        let index = bases.firstIndex { $0.base?.id == base.id && $0.base?.checksum == base.checksum }
        if let index {
            if index > 0 { bases.insert(bases.remove(at: index), at: 0) }
            return bases[0]
        }
        bases.insert(KnownSeries(base, names: source.names), at: 0)
        var bytes = 0
        let keep = bases.prefix { table in
            defer { bytes += table.bytes }
            return bytes <= AuditBlock.maximumKnownBytes
        }
        bases = Array(keep)
        return bases[0]
    }

    private func use(_ next: AuditSeries) {
        known.insert(series, at: 0)
        series = next
        var bytes = 0
        let keep = known.prefix(AuditBlock.maximumKnown).prefix { series in
            bytes += series.bytes
            return bytes <= AuditBlock.maximumKnownBytes
        }
        known = Array(keep)
    }

    private func read(
        _ parts: Parts, of row: AuditRow, _ decoder: BlockDecoder, choosing: Bool
    ) throws(SpoolError) {
        let count = series.count
        var points = row.points
        if choosing {
            (ids, times) = ([], [])
            var found: [ChosenPoint]
            (found, points) = try decoder.points(of: series.wantedNumbers, series: count)
            if parts.contains(.times) { try decoder.readTimes(of: &found, count: points) }
            chosen = found
        } else if parts.contains(.values) {
            var predictors = series.predictors()
            batch = Batch()
            batch.points = try decoder.pointColumns(series: count, &predictors)
            try decoder.readComplexValues(into: &batch)
            (ids, times) = (batch.points.series, batch.points.times)
        } else {
            ids = parts.isDisjoint(with: [.series, .times]) ? [] : try decoder.pointSeries(series: count)
            times =
                parts.contains(.times)
                ? try decoder.times(
                    .times, count: ids.count, milliseconds: decoder.sections.flags.contains(.millisecondTimes)) : []
        }
        if !choosing, !parts.isDisjoint(with: [.series, .times, .values]) { points = ids.count }
        if points != row.points {
            throw SpoolError(.unreadable, "the row is not that of its block")
        }
        if parts.contains(.origins) {
            origins = try decoder.origins(points: row.points)
            guard origins.first?.sequence == row.sequence, origins.last?.sequence == row.lastSequence else {
                throw SpoolError(.unreadable, "the row is not that of its block")
            }
        }
        loaded = parts
    }
}
