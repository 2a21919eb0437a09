import Metrics

/// Rows, one after the other, that become one batch. Where blocks stand on the same bases a series is found by its number
/// there: labels are copied and compared once, and not for each row.
struct RowMerger {
    private(set) var batch: Batch
    private var known: [MergedSeries.Known]
    private var knownBytes = 0

    /// With more than this of bases all are forgotten.
    private static let mostBytes = 32 << 20

    /// - Parameters:
    ///   - empty: gets the points.
    ///   - series: ids that series have from before.
    init(into empty: Batch = Batch(), _ series: MergedSeries = MergedSeries()) {
        batch = empty
        batch.series = series.table
        known = series.known
        for index in known.indices {
            known[index].isUsed = false
            knownBytes += known[index].base.allocatedBytes
        }
    }

    /// For the next rows of the same spool, which stand on the bases of these or on newer ones.
    var series: MergedSeries { MergedSeries(table: batch.series, known: known.filter(\.isUsed)) }

    /// Only to plain samples others can be added by number.
    var takesColumns: Bool { batch.points.isPlain }

    /// - Parameter content: columns only where they are taken.
    /// - Returns: the ordinals that the points have in the batch.
    mutating func add(_ content: RowContent, _ range: Range<Int>) -> Range<Int> {
        switch content {
        case .block(let block): return batch.merge(block.batch, range)
        case .columns(let columns):
            precondition(takesColumns, "columns are added to plain samples")
            return batch.merge(columns.points, range, ids: ids(columns))
        }
    }

    private mutating func ids(_ columns: StandingColumns) -> [UInt32] {
        if knownBytes > RowMerger.mostBytes { (known, knownBytes) = ([], 0) }
        let areValid = batch.series.hasPrometheusNames && columns.hasPrometheusNames
        let places = columns.names.bases.map { place(of: $0) }
        var ids = [UInt32](repeating: SeriesMap.unknown, count: columns.names.ids.count)
        var own = SeriesMap(count: columns.own.count)
        var ownCount = 0
        columns.names.forEachRun { base, series in
            guard let (base, first) = base else {
                let run = ownCount..<ownCount + series.count
                RowMerger.find(run, of: columns.own, &own, &batch.series)
                ids.replaceSubrange(series, with: own.ids[run])
                ownCount += series.count
                return
            }
            let place = places[columns.names.bases.firstIndex { $0 === base } ?? 0]
            let run = first..<first + series.count
            RowMerger.find(run, of: base.series, &known[place].map, &batch.series)
            ids.replaceSubrange(series, with: known[place].map.ids[run])
        }
        batch.series.hasPrometheusNames = areValid
        return ids
    }

    private static func find(
        _ run: Range<Int>, of table: SeriesTable, _ map: inout SeriesMap, _ series: inout SeriesTable
    ) {
        // Mostly all of them are.
        let unknown = SeriesMap.unknown
        if !map.ids[run].contains(unknown) { return }
        let wanted = run.filter { map.ids[$0] == SeriesMap.unknown }
        series.merge(table, of: wanted.map { UInt32($0) }[...], &map)
    }

    /// Where the base is in `known`.
    private mutating func place(of base: BlockBase) -> Int {
        if let place = known.firstIndex(where: { $0.base.id == base.id && $0.base.checksum == base.checksum }) {
            known[place].isUsed = true
            return place
        }
        knownBytes += base.allocatedBytes
        known.append(MergedSeries.Known(base: base, map: SeriesMap(count: base.series.count)))
        return known.count - 1
    }
}
