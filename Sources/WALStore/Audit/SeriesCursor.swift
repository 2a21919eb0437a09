import Metrics

/// Columns of `series`, in order.
enum SeriesColumn: Int32, CaseIterable {
    case sequence, lastSequence, name, field, labels, type, unit, points, firstTime, lastTime
    case match, temporality, monotonic, resource, scope

    var declaration: String {
        switch self {
        case .sequence: "sequence INTEGER"
        case .lastSequence: "last_sequence INTEGER"
        case .name: "name TEXT"
        case .field: "field TEXT"
        case .labels: "labels TEXT"
        case .type: "type TEXT"
        case .unit: "unit TEXT"
        case .points: "points INTEGER"
        case .firstTime: "first_time INTEGER"
        case .lastTime: "last_time INTEGER"
        // The first hidden column is the argument of series('…').
        case .match: "match TEXT HIDDEN"
        case .temporality: "temporality TEXT HIDDEN"
        case .monotonic: "monotonic INTEGER HIDDEN"
        case .resource: "resource TEXT HIDDEN"
        case .scope: "scope TEXT HIDDEN"
        }
    }

    var identity: AuditIdentity? {
        switch self {
        case .field: .field
        case .unit: .unit
        case .type: .type
        case .temporality: .temporality
        case .monotonic: .monotonic
        case .resource: .resource
        case .scope: .scope
        default: nil
        }
    }
}

extension AuditTable {
    /// A row each series of each stored row.
    static let series = AuditTable(
        name: "series",
        declaration: "CREATE TABLE series (\(SeriesColumn.allCases.map(\.declaration).joined(separator: ", ")))",
        terms: [
            SeriesColumn.sequence.rawValue: .sequence, SeriesColumn.firstTime.rawValue: .firstTime,
            SeriesColumn.lastTime.rawValue: .lastTime, SeriesColumn.name.rawValue: .name,
            SeriesColumn.match.rawValue: .selector,
        ],
        orders: [[SeriesColumn.sequence.rawValue]],
        makeCursor: { SeriesCursor($0) })
}

/// Goes through series, row by row of the spool.
final class SeriesCursor: AuditCursor {
    private struct Tally {
        var points: Int64 = 0
        var first = Int64.max
        var last = Int64.min
    }

    private let source: AuditSource
    private let block: AuditBlock
    private var rows: AuditRows?
    private var plan = AuditPlan()
    private var filter = AuditFilter()
    private var question = 0
    private var parts: AuditBlock.Parts = []
    private var tallies: [Tally] = []
    private var at = 0
    private var number: Int64 = 0

    init(_ source: AuditSource) {
        self.source = source
        block = AuditBlock(source)
    }

    override func begin(_ plan: AuditPlan, _ filter: AuditFilter) throws(AuditError) {
        (self.plan, self.filter) = (plan, filter)
        question += 1
        number = 0
        isAtEnd = filter.isEmpty
        if isAtEnd { return }
        // Rows are found by the sequence of their first point: one that only reaches in is none of them.
        let rows = try AuditRows(source, isReversed: plan.isReversed)
        try rows.begin(filter)
        self.rows = rows
        parts = .series
        if plan.asks(SeriesColumn.firstTime.rawValue) || plan.asks(SeriesColumn.lastTime.rawValue) {
            parts.insert(.times)
        }
        try nextRow()
    }

    override func next() throws(AuditError) {
        number += 1
        at += 1
        skip()
        if at == tallies.count { try nextRow() }
    }

    private func skip() {
        while at < tallies.count, filter.asksSeries, !block.series.wanted[at] { at += 1 }
    }

    private func nextRow() throws(AuditError) {
        guard let rows else { return }
        while try rows.next() {
            let row = rows.row
            let isRead = try rows.withBlock { bytes in block.read(bytes, parts, of: row, filter, question: question) }
            guard isRead, !block.loaded.isEmpty else { continue }
            tally()
            at = 0
            skip()
            if at < tallies.count { return }
        }
        rows.end()
        isAtEnd = true
    }

    private func tally() {
        tallies.removeAll(keepingCapacity: true)
        tallies.append(contentsOf: repeatElement(Tally(), count: block.series.count))
        for (ordinal, id) in block.ids.enumerated() {
            tallies[Int(id)].points += 1
            guard parts.contains(.times) else { continue }
            let time = block.times[ordinal]
            tallies[Int(id)].first = min(tallies[Int(id)].first, time)
            tallies[Int(id)].last = max(tallies[Int(id)].last, time)
        }
    }

    override func rowID() -> Int64 { number }

    override func column(_ column: Int32, _ result: AuditResult) throws(AuditError) {
        guard let column = SeriesColumn(rawValue: column), let rows else { return result.null() }
        let tally = tallies[at]
        switch column {
        case .sequence: result.integer(rows.row.sequence)
        case .lastSequence: result.integer(rows.row.lastSequence)
        case .name:
            if let name = block.series.names[at] { return result.text(lasting: name.bytes) }
            block.series.withName(of: at) { result.text($0) }
        case .labels: result.text(block.series.labels(of: at))
        case .points: result.integer(tally.points)
        // Of a series that came without points, such as one of exemplars.
        case .firstTime: tally.first > tally.last ? result.null() : result.integer(tally.first)
        case .lastTime: tally.first > tally.last ? result.null() : result.integer(tally.last)
        case .match: result.null()
        default: if let identity = column.identity { result.identity(identity, block.series, at) }
        }
    }
}
