/// How often links are made, and how many are kept.
struct ChainRules: Sendable {
    /// Nanoseconds between two links of a spool that changes.
    var sealNanoseconds: Int64 = 600_000_000_000
    /// Beyond so many the older half becomes one.
    var maximumLinks: Int64 = 4096
}

/// The end of a transaction: the links that it needs. The state is written behind it, with the row of `spool`.
extension ChainKeeper {
    /// - Parameters:
    ///   - beginning: what a chain that begins here begins with, in place of what it finds.
    ///   - event: of the transaction itself.
    /// - Throws: when a change of a row could not be seen.
    func finish(
        version: Int64, wall: Int64, at: Int64, _ rules: ChainRules, beginning: ChainLink.Kind? = nil,
        event: (kind: ChainLink.Kind, detail: String)? = nil
    ) throws(SQLiteError) {
        if let failure { throw failure }
        func add(_ kind: ChainLink.Kind, _ detail: String) throws(SQLiteError) {
            try link(kind, detail, version: version, wall: wall, at: at)
        }
        if isBeginning {
            let found = self.beginning(version, isExplained: beginning != nil)
            try add(beginning ?? found.kind, found.detail)
        }
        for span in notePlaces() {
            try add(.sealed, "")
            state?.work.pruned = span.positions
            state?.work.prunedRows = span.rows
        }
        if let (former, epoch) = newEpoch { try add(.key, "epoch \(former) to \(epoch)") }
        if alteredCount > 0 {
            let named = altered.map { "\($0.table.name) \($0.id)" }.joined(separator: ", ")
            let more = alteredCount - Int64(altered.count)
            try add(.altered, named + (more > 0 ? " and \(more) more" : ""))
            news.append(
                Event(
                    .error, "rows of a spool were not as the node had written them when it changed or deleted them",
                    ["chain.rows": named, "chain.altered_rows": String(alteredCount)]))
        }
        if let event { try add(event.kind, event.detail) }
        guard let state, state.work.changes > 0, isSealAsked || at - state.linkedAt >= rules.sealNanoseconds else {
            return
        }
        try add(.sealed, "")
        try fold(rules)
    }

    /// - Parameter isExplained: the spool took another's place, and whoever did that has said so.
    private func beginning(_ version: Int64, isExplained: Bool) -> (kind: ChainLink.Kind, detail: String) {
        switch standing {
        case .none, .sound: return (.started, "")
        case .takenOff(let record):
            let since = UTC.text(record.wall)
            if !isExplained {
                news.append(
                    Event(
                        .error,
                        "a spool has no chain, and the node remembers one: it was taken off, or the spool is another one",
                        ["chain.since": since]))
            }
            return (.resumed, "the node remembers a chain since \(since), and there was none: \(ChainRecord.meaning)")
        case .behind(let last, let wall):
            news.append(
                Event(
                    .warning, "a spool was written without the key of its chain: the chain begins again",
                    ["ledger.version": String(last), "ledger.version_now": String(version - 1)]))
            return (
                .resumed,
                "written without the key after ledger version \(last) of \(UTC.text(wall)), up to \(version - 1)"
            )
        case .broken(let reason):
            news.append(Event(.error, "a spool's chain does not hold: it begins again", ["reason": reason]))
            return (.resumed, reason)
        }
    }

    // MARK: Places

    /// Rows of `batches` that went in this transaction: those that a merged one has are repacked, others are pruned.
    ///
    /// - Returns: what does not adjoin what was pruned before; a link each keeps it apart.
    private func notePlaces() -> [(positions: Range<Int64>, rows: Int64)] {
        guard !deletedRows.isEmpty, var state else { return [] }
        var merged = Set<Int>()
        var runs = state.work.pruned.map { [(positions: $0, rows: state.work.prunedRows)] } ?? []
        for deleted in deletedRows {
            let target = insertedRows.firstIndex {
                $0.sequences.lowerBound <= deleted.sequences.lowerBound
                    && deleted.sequences.upperBound <= $0.sequences.upperBound
            }
            if let target {
                state.work.repackedRows += 1
                merged.insert(target)
            } else if let last = runs.last, last.positions.upperBound == deleted.positions.lowerBound {
                runs[runs.count - 1] = (
                    last.positions.lowerBound..<max(last.positions.upperBound, deleted.positions.upperBound),
                    last.rows + 1
                )
            } else {
                runs.append((deleted.positions, 1))
            }
        }
        if let first = runs.first { (state.work.pruned, state.work.prunedRows) = (first.positions, first.rows) }
        state.work.mergedRows += Int64(merged.count)
        self.state = state
        return Array(runs.dropFirst())
    }

    // MARK: Folding

    private func fold(_ rules: ChainRules) throws(SQLiteError) {
        guard let state else { return }
        let first = try connection.integer("SELECT min(id) FROM links WHERE id > 0") ?? 0
        guard state.length - first >= rules.maximumLinks else { return }
        let last = state.length - rules.maximumLinks / 2
        var folded: ChainLink?
        var kinds: [String: Int] = [:]
        try Statement("SELECT \(ChainLink.columns) FROM links WHERE id <= ?1 ORDER BY id", on: connection)
            .rows(.integer(last)) { row in
                let link = ChainLink(row)
                // However often: what a link says of those in it is not forgotten.
                for (kind, count) in link.kindsWithin { kinds[kind, default: 0] += count }
                folded = folded.map { $0.taking(link) } ?? link
                return true
            }
        guard var folded else { return }
        folded.kind = ChainLink.Kind.folded.rawValue
        folded.detail = kinds.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        folded.rows = folded.foldedCode(keys)
        try Statement("DELETE FROM links WHERE id <= ?1", on: connection).run(.integer(last))
        try Statement(ChainLink.insertion, on: connection).run(values: folded.values)
    }
}

extension ChainLink {
    /// This one and the next, as one.
    fileprivate func taking(_ next: ChainLink) -> ChainLink {
        var both = next
        both.former = former
        if let pruned = work.pruned {
            let more = next.work.pruned ?? pruned
            both.work.pruned = min(pruned.lowerBound, more.lowerBound)..<max(pruned.upperBound, more.upperBound)
        }
        both.work.prunedRows = work.prunedRows &+ next.work.prunedRows
        both.work.repackedRows = work.repackedRows &+ next.work.repackedRows
        both.work.mergedRows = work.mergedRows &+ next.work.mergedRows
        both.work.removedRows = work.removedRows &+ next.work.removedRows
        both.work.alteredRows = work.alteredRows &+ next.work.alteredRows
        return both
    }
}
