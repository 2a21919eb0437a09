import Metrics

/// Goes through points, row by row of the spool.
final class PointsCursor: AuditCursor {
    private let source: AuditSource
    private let block: AuditBlock
    /// One for each direction, made when it is needed.
    private var walks: (forward: AuditRows?, backward: AuditRows?)
    private var rows: AuditRows?
    private var plan = AuditPlan()
    private var filter = AuditFilter()
    /// Numbers filters: what was found out of a series for one says nothing for the next.
    private var question = 0
    private var parts: AuditBlock.Parts = []
    private var counts: NameCounts?

    private(set) var isAtEnd = true
    private(set) var row = AuditRow()
    /// In the row's points.
    private(set) var at = 0
    private var stop = 0
    private var step = 1
    /// Whether each point has to be looked at.
    private var looksAtPoints = false
    private var run = 0
    private var runStart = 0

    init(_ source: AuditSource) {
        self.source = source
        block = AuditBlock(source)
    }

    func begin(_ plan: AuditPlan, _ filter: AuditFilter) throws(AuditError) {
        self.plan = plan
        self.filter = filter
        question += 1
        counts = nil
        isAtEnd = filter.isEmpty
        if isAtEnd { return }
        let rows = try walk(plan.isReversed)
        try rows.begin(filter)
        self.rows = rows
        if plan.isByName { return try count(rows) }
        parts = PointColumn.allCases.reduce(filter.asksSeries ? .series : []) { parts, column in
            plan.asks(column.rawValue) ? parts.union(column.parts) : parts
        }
        if !filter.times.isOpen { parts.insert(.times) }
        looksAtPoints = filter.asksSeries || !filter.times.isOpen
        step = plan.isReversed ? -1 : 1
        (at, stop) = (0, 0)
        try nextRow()
    }

    private func walk(_ isReversed: Bool) throws(AuditError) -> AuditRows {
        if let known = isReversed ? walks.backward : walks.forward { return known }
        let rows = try AuditRows(source, isReversed: isReversed)
        if isReversed { walks.backward = rows } else { walks.forward = rows }
        return rows
    }

    /// Counts all, to be given name by name.
    private func count(_ rows: AuditRows) throws(AuditError) {
        let counts = NameCounts(source.names)
        while try rows.next() {
            guard rows.row.points > 0, try read(rows, .series), !block.loaded.isEmpty else { continue }
            try counts.add(block, chosen: filter.asksSeries)
        }
        rows.end()
        counts.begin(once: plan.isDistinct)
        self.counts = counts
        isAtEnd = counts.isAtEnd
    }

    @inline(__always)
    func next() throws(AuditError) {
        if let counts {
            counts.next()
            isAtEnd = counts.isAtEnd
            return
        }
        at += step
        if at != stop, !looksAtPoints { return }
        while at != stop {
            if isWanted { return }
            at += step
        }
        try nextRow()
    }

    @inline(__always)
    private var isWanted: Bool {
        (!filter.asksSeries || block.series.wanted[Int(block.ids[at])])
            && (filter.times.isOpen || filter.times.contains(block.times[at]))
    }

    /// Stands on the first wanted point of the next row that has one.
    private func nextRow() throws(AuditError) {
        guard let rows else { return }
        while try rows.next() {
            guard rows.row.points > 0 else { continue }
            row = rows.row
            block.reset()
            // Where nothing of a point is asked for, the row's head says how many there are.
            if needsBlock {
                guard try read(rows, neededParts), !block.loaded.isEmpty else { continue }
            }
            let ordinals = wantedOrdinals
            guard !ordinals.isEmpty else { continue }
            (run, runStart) = (0, 0)
            at = plan.isReversed ? ordinals.upperBound - 1 : ordinals.lowerBound
            stop = plan.isReversed ? ordinals.lowerBound - 1 : ordinals.upperBound
            while at != stop, looksAtPoints, !isWanted { at += step }
            if at != stop { return }
        }
        rows.end()
        isAtEnd = true
    }

    private var needsBlock: Bool { !neededParts.isEmpty }

    /// A row that was never merged says by itself where its points came from.
    private var neededParts: AuditBlock.Parts {
        let cutsSequences = !filter.sequences.contains(row.sequence) || !filter.sequences.contains(row.lastSequence)
        if !row.isMerged { return parts.subtracting(.origins) }
        return cutsSequences ? parts.union(.origins) : parts
    }

    private func read(_ rows: AuditRows, _ parts: AuditBlock.Parts) throws(AuditError) -> Bool {
        let row = rows.row
        return try rows.withBlock { bytes in block.read(bytes, parts, of: row, filter, question: question) }
    }

    /// Those of the positions and the sequences that are asked for.
    private var wantedOrdinals: Range<Int> {
        let (low, lowOver) = filter.positions.lower.subtractingReportingOverflow(row.position)
        let (high, highOver) = filter.positions.upper.subtractingReportingOverflow(row.position)
        let first = lowOver ? 0 : min(row.points, Int(clamping: max(0, low)))
        let last = highOver ? row.points - 1 : min(row.points - 1, Int(clamping: max(-1, high)))
        var ordinals = first..<max(first, last + 1)
        if row.isMerged, block.loaded.contains(.origins) {
            var (start, lower, upper) = (0, row.points, 0)
            for origin in block.origins {
                if filter.sequences.contains(origin.sequence) {
                    lower = min(lower, start)
                    upper = start + origin.count
                }
                start += origin.count
            }
            ordinals = ordinals.clamped(to: min(lower, upper)..<upper)
        }
        return ordinals
    }

    func rowID() throws(AuditError) -> Int64 {
        if counts != nil { throw AuditError(.mistake, "points that are counted by name have no rowid") }
        return row.position + Int64(at)
    }

    // MARK: Columns

    func column(_ column: Int32, _ result: AuditResult) throws(AuditError) {
        guard let column = PointColumn(rawValue: column) else { return result.null() }
        if let counts { return column == .name ? result.text(lasting: counts.name) : result.null() }
        try load(column.parts)
        switch column {
        case .sequence: result.integer(place.sequence)
        case .ordinal: result.integer(place.ordinal)
        case .at: result.time(block.times[at])
        case .time: result.integer(block.times[at])
        case .name: name(result)
        case .labels: result.text(block.series.labels(of: Int(block.ids[at])))
        case .value: result.value(at, of: block.batch)
        case .kind: result.kind(block.batch.points.kind(at: at))
        case .match: result.null()
        case .position: result.integer(row.position + Int64(at))
        case .bits: bits(result)
        case .stale: result.integer(isStale ? 1 : 0)
        case .startTime:
            let start = block.batch.points.startTime(at: at)
            start == 0 ? result.null() : result.integer(start)
        default:
            if let identity = column.identity { result.identity(identity, block.series, Int(block.ids[at])) }
        }
    }

    /// Should SQLite ask for a column that it did not announce.
    private func load(_ wanted: AuditBlock.Parts) throws(AuditError) {
        let missing = row.isMerged ? wanted : wanted.subtracting(.origins)
        guard !block.loaded.isSuperset(of: missing), let rows else { return }
        let all: AuditBlock.Parts = row.isMerged ? [.origins, .series, .times, .values] : [.series, .times, .values]
        guard try read(rows, block.loaded.union(all)) else { throw AuditError(.damaged, "a row cannot be read") }
    }

    private func name(_ result: AuditResult) {
        let id = Int(block.ids[at])
        if let name = block.series.names[id] { return result.text(lasting: name.bytes) }
        block.series.withName(of: id) { result.text($0) }
    }

    private var isStale: Bool {
        block.batch.points.kind(at: at) == .float64 && block.batch.points.bits[at] == FloatBits.staleMarker
    }

    private func bits(_ result: AuditResult) {
        guard block.batch.points.kind(at: at).isScalar else { return result.null() }
        result.integer(Int64(bitPattern: block.batch.points.bits[at]))
    }

    private var place: Place {
        guard row.isMerged else { return Place(row.sequence, Int64(at)) }
        if at < runStart { (run, runStart) = (0, 0) }
        while run + 1 < block.origins.count, at >= runStart + block.origins[run].count {
            runStart += block.origins[run].count
            run += 1
        }
        let origin = block.origins[run]
        return Place(origin.sequence, origin.firstOrdinal + Int64(at - runStart))
    }
}
