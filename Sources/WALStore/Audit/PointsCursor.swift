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

    private var row = AuditRow()
    /// In the row's points.
    @exclusivity(unchecked) private var at = 0
    @exclusivity(unchecked) private var stop = 0
    @exclusivity(unchecked) private var step = 1
    private let columns = PointBuffers()
    /// What the columns, and the block, have of this row.
    @exclusivity(unchecked) private var loaded: AuditBlock.Parts = []
    /// Names of the block's series, where they are asked for.
    @exclusivity(unchecked) private var names: UnsafeMutableBufferPointer<AuditNames.Name?>?
    /// Every point is a float.
    @exclusivity(unchecked) private var isFloats = false
    /// Of points that are counted by name: what is left of the name they are at.
    @exclusivity(unchecked) private var run: NameCounts.Run?
    /// Whether each point has to be looked at.
    private var looksAtPoints = false
    private var origin = 0
    private var originStart = 0
    /// Of `block.chosen`, where there are any.
    private var nextChosen = 0

    init(_ source: AuditSource) {
        self.source = source
        block = AuditBlock(source)
    }

    override func begin(_ plan: AuditPlan, _ filter: AuditFilter) throws(AuditError) {
        self.plan = plan
        self.filter = filter
        question += 1
        (counts, run) = (nil, nil)
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
        if plan.asks(PointColumn.keptBackBy.rawValue) || plan.asks(PointColumn.rulesAsked.rawValue) {
            do throws(SQLiteError) { try source.routes.read(source.connection) } catch { throw AuditError(error) }
        }
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
            guard rows.row.points > 0, try read(rows, .series, choosing: false), !block.loaded.isEmpty else { continue }
            try counts.add(block, chosen: filter.asksSeries)
        }
        rows.end()
        counts.begin(once: plan.isDistinct, isReversed: plan.isReversed)
        self.counts = counts
        run = counts.run
        isAtEnd = run == nil
    }

    @inline(__always)
    private func nextOfName() {
        guard let left = run?.count, left == 1 else {
            run?.count -= 1
            return
        }
        counts?.next()
        run = counts?.run
        isAtEnd = run == nil
    }

    override func next() throws(AuditError) {
        if run != nil { return nextOfName() }
        at += step
        if looksAtPoints { skip() }
        if at == stop { try nextRow() }
    }

    /// Goes on to a wanted point, or to where the row stops. What it looks at is at hand: there may be millions to pass over.
    private func skip() {
        if let chosen = block.chosen { return skip(to: chosen) }
        let (ids, times, stop, step) = (columns.ids, columns.times, stop, step)
        let bounds = filter.times
        let isAnyTime = bounds.isOpen
        var at = at
        if filter.asksSeries {
            block.series.wanted.withUnsafeBufferPointer { wanted in
                while at != stop, !wanted[Int(ids[at])] || !(isAnyTime || bounds.contains(times[at])) { at += step }
            }
        } else {
            while at != stop, !bounds.contains(times[at]) { at += step }
        }
        self.at = at
    }

    /// The same where the points of the wanted series are known.
    private func skip(to chosen: [ChosenPoint]) {
        let (bounds, last) = (filter.times, step > 0 ? chosen.count : -1)
        while nextChosen != last {
            let point = chosen[nextChosen]
            // Behind where the row stops there may be more of them.
            if (stop - point.ordinal) * step <= 0 { break }
            if (point.ordinal - at) * step >= 0, bounds.contains(point.time) {
                at = point.ordinal
                return
            }
            nextChosen += step
        }
        at = stop
    }

    /// Stands on the first wanted point of the next row that has one.
    private func nextRow() throws(AuditError) {
        guard let rows else { return }
        while try rows.next() {
            guard rows.row.points > 0 else { continue }
            row = rows.row
            block.reset()
            loaded = []
            // Where nothing of a point is asked for, the row's head says how many there are.
            if needsBlock {
                guard try read(rows, neededParts), !block.loaded.isEmpty else { continue }
            }
            let ordinals = wantedOrdinals
            guard !ordinals.isEmpty else { continue }
            (origin, originStart) = (0, 0)
            at = plan.isReversed ? ordinals.upperBound - 1 : ordinals.lowerBound
            stop = plan.isReversed ? ordinals.lowerBound - 1 : ordinals.upperBound
            if looksAtPoints { skip() }
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

    private func read(
        _ rows: AuditRows, _ parts: AuditBlock.Parts, choosing: Bool = true
    ) throws(AuditError) -> Bool {
        let row = rows.row
        let isRead = try rows.withBlock { bytes in
            block.read(bytes, parts, of: row, filter, question: question, choosing: choosing)
        }
        loaded = isRead ? block.loaded : []
        guard !loaded.isEmpty else { return isRead }
        nextChosen = plan.isReversed ? (block.chosen?.count ?? 0) - 1 : 0
        columns.fill(block, points: row.points)
        names = plan.asks(PointColumn.name.rawValue) ? block.series.names : nil
        isFloats = loaded.contains(.values) && block.batch.points.kinds.isEmpty
        return isRead
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

    override func rowID() throws(AuditError) -> Int64 {
        if counts != nil { throw AuditError(.mistake, "points that are counted by name have no rowid") }
        return row.position + Int64(at)
    }

    // MARK: Columns

    override func column(_ column: Int32, _ result: AuditResult) throws(AuditError) {
        guard let column = PointColumn(rawValue: column) else { return result.null() }
        if let run { return column == .name ? result.text(lasting: run.name) : result.null() }
        if !loaded.isSuperset(of: column.parts) { try load(column.parts) }
        switch column {
        case .sequence: result.integer(place.sequence)
        case .ordinal: result.integer(place.ordinal)
        case .at: result.time(columns.times[at])
        case .time: result.integer(columns.times[at])
        case .name: name(result)
        case .labels: result.text(block.series.labels(of: Int(columns.ids[at])))
        case .value: isFloats ? result.float(columns.bits[at]) : result.value(at, of: block.batch)
        case .kind: result.kind(block.batch.points.kind(at: at))
        case .match: result.null()
        case .position: result.integer(row.position + Int64(at))
        case .bits: bits(result)
        case .stale: result.integer(isStale ? 1 : 0)
        case .startTime:
            let start = block.batch.points.startTime(at: at)
            start == 0 ? result.null() : result.integer(start)
        case .keptBackBy: keptBackBy(result)
        case .rulesAsked: result.text(ifAny: source.routes.all)
        default:
            if let identity = column.identity { result.identity(identity, block.series, Int(columns.ids[at])) }
        }
    }

    /// Should SQLite ask for a column that it did not announce.
    private func load(_ wanted: AuditBlock.Parts) throws(AuditError) {
        let missing = row.isMerged ? wanted : wanted.subtracting(.origins)
        guard !loaded.isSuperset(of: missing), let rows else { return }
        let all: AuditBlock.Parts = row.isMerged ? [.origins, .series, .times, .values] : [.series, .times, .values]
        guard try read(rows, loaded.union(all)) else { throw AuditError(.damaged, "a row cannot be read") }
    }

    private func name(_ result: AuditResult) {
        let id = Int(columns.ids[at])
        if let name = names?[id] { return result.text(lasting: name.bytes) }
        block.series.withName(of: id) { result.text($0) }
    }

    private func keptBackBy(_ result: AuditResult) {
        if source.routes.isEmpty { return result.null() }
        let (table, number) = block.series.find(Int(columns.ids[at]))
        guard let ids = source.routes.keepingBack(table.batch, UInt32(number)) else { return result.null() }
        result.text(Array(ids.utf8))
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
        if at < originStart { (origin, originStart) = (0, 0) }
        while origin + 1 < block.origins.count, at >= originStart + block.origins[origin].count {
            originStart += block.origins[origin].count
            origin += 1
        }
        let found = block.origins[origin]
        return Place(found.sequence, found.firstOrdinal + Int64(at - originStart))
    }
}

/// Columns of a row at addresses of their own: a point is shown without a count of who looks at it.
private final class PointBuffers {
    private(set) var ids = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
    private(set) var times = UnsafeMutablePointer<Int64>.allocate(capacity: 1)
    private(set) var bits = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    private var capacity = 1

    deinit { free() }

    private func free() {
        ids.deallocate()
        times.deallocate()
        bits.deallocate()
    }

    func fill(_ block: AuditBlock, points: Int) {
        if points > capacity {
            free()
            capacity = points
            ids = .allocate(capacity: points)
            times = .allocate(capacity: points)
            bits = .allocate(capacity: points)
        }
        if let chosen = block.chosen {
            for point in chosen { (ids[point.ordinal], times[point.ordinal]) = (point.series, point.time) }
            return
        }
        precondition(
            block.ids.count <= points && block.times.count <= points, "a block that is read is that of its row")
        PointBuffers.copy(block.ids, to: ids)
        PointBuffers.copy(block.times, to: times)
        if block.loaded.contains(.values) { PointBuffers.copy(block.batch.points.bits, to: bits) }
    }

    private static func copy<Entry: BitwiseCopyable>(_ entries: [Entry], to target: UnsafeMutablePointer<Entry>) {
        entries.withUnsafeBufferPointer { entries in
            guard let start = entries.baseAddress else { return }
            target.update(from: start, count: entries.count)
        }
    }
}
