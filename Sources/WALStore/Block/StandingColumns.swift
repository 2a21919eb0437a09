import Metrics

/// The points of a block, with the series that bases have left where they are: for whoever merges many blocks that stand on
/// the same bases, and needs the labels of each series once.
struct StandingColumns {
    /// Where each series is.
    var names: BaseNames
    /// Those that no base has.
    var own: SeriesTable
    /// Remote write 1.0 takes the names of all of them as they are.
    var hasPrometheusNames: Bool
    var points: PointColumns
    var origins: [OriginRun]
}

/// What a row's block is decoded to.
enum RowContent {
    case block(DecodedBlock)
    case columns(StandingColumns)

    var origins: [OriginRun] {
        switch self {
        case .block(let block): block.origins
        case .columns(let columns): columns.origins
        }
    }
    var points: Int {
        switch self {
        case .block(let block): block.batch.points.count
        case .columns(let columns): columns.points.count
        }
    }
}

extension BlockDecoder {
    /// - Returns: nil for a block that says all itself, or has more than plain samples.
    func decodeColumns() throws(SpoolError) -> StandingColumns? {
        guard sections.standsOnBases, sections.arePlain else { return nil }
        let own = try seriesTable(texts: 0, resources: 0, scopes: 0)
        var predictors: [ValuePredictor] = []
        let names = try names(own: own, &predictors)
        let points = try pointColumns(series: names.ids.count, &predictors)
        return StandingColumns(
            names: names, own: own, hasPrometheusNames: sections.flags.contains(.prometheusNames), points: points,
            origins: try origins(points: points.count))
    }
}

extension BlockSections {
    /// Nothing but series with labels, times and float64 values.
    fileprivate var arePlain: Bool {
        let more: [Block.SectionID] = [
            .identities, .texts, .resources, .scopes, .kinds, .startTimes, .flags, .strings, .explicitHistograms,
            .exponentialHistograms, .summaries, .exemplars, .metadata,
        ]
        return !more.contains { has($0) }
    }
}
