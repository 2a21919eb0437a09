import CSQLite

/// Whether each row is as it was written, and whether they are those of the last commit.
extension ChainVerifier {
    /// What a walk over a table found.
    fileprivate struct Walk {
        var rows: Int64 = 0
        var sum = ChainDigest.zero
        /// In the sum, with a tag that is not that of the row, or none.
        var untrue: [(id: Int64, tag: ChainTag?)] = []
        /// Ids, and in `batches` positions, that no row has between two that have.
        var holes: [(after: Int64, before: Int64)] = []
        var lastID: Int64?
        var end: Int64?
    }

    func verify(_ table: ChainTable) throws(SQLiteError) {
        let columns = table.columns
        let list = (columns + (table.isTagged ? ["tag"] : [])).joined(separator: ", ")
        let statement = try Statement("SELECT \(list) FROM \(table.name) ORDER BY \(columns[0])", on: connection)
        defer { statement.reset() }
        var walk = Walk()
        var seen = 0
        while try statement.step() {
            pass(table, statement, columns.count, &walk)
            seen += 1
            if seen % 64 == 0 { try look(done: table == .batches ? share(walk) : 0.9) }
        }
        if table == .batches, let end = walk.end {
            let next = try connection.integer("SELECT next_position FROM spool") ?? end
            if end < next { walk.holes.append((end, next)) }
        }
        conclude(table, walk)
    }

    /// The most of it is blocks.
    private func share(_ walk: Walk) -> Double {
        guard let end = walk.end, let all = try? connection.integer("SELECT next_position FROM spool"), all > 0 else {
            return 0
        }
        return min(0.9, Double(end) / Double(all) * 0.9)
    }

    private func pass(_ table: ChainTable, _ row: Statement, _ columns: Int, _ walk: inout Walk) {
        let id = row.integer(0)
        guard table.isTagged else {
            var input = keys.beginElement(table)
            for index in 0..<columns { input.add(value: row.value(Int32(index))) }
            walk.sum = walk.sum &+ input.end()
            walk.rows += 1
            return
        }
        noteHoles(table, row, id, &walk)
        // Else it would pass for a row from before the chain.
        if id < 1 { add(.inserted, "\(table.name)", id, "the node gives no such number\(when(table, row))") }
        row.withBlob(Int32(columns)) { bytes in
            let tag = ChainTag(bytes)
            let isCounted = state?.counts(table, id: id, tag: tag) ?? false
            if isCounted {
                walk.sum = walk.sum &+ keys.element(table, id: id, tag: bytes)
                walk.rows += 1
            }
            guard let tag else {
                if isCounted || state == nil { walk.note(id, nil) }
                answer.uncoveredRows += 1
                return
            }
            guard let keys = keys(of: tag.epoch) else {
                guard tag.epoch >= key.epoch else {
                    answer.uncheckedRows += 1
                    return
                }
                walk.note(id, tag)
                return add(
                    .altered, "\(table.name)", id,
                    "its tag is of an epoch that no key has come to\(when(table, row))")
            }
            var input = keys.beginTag(table, life: tag.life, epoch: tag.epoch)
            for index in 0..<columns { input.add(value: row.value(Int32(index))) }
            guard ChainTag(life: tag.life, epoch: tag.epoch, input.end()) == tag else {
                walk.note(id, tag)
                explain(table, row, id, tag, isCounted: isCounted)
                return
            }
            answer.soundRows += 1
            if let state, tag.life != state.life { answer.formerRows += 1 }
        }
    }

    /// A row with a tag that is not its own.
    private func explain(_ table: ChainTable, _ row: Statement, _ id: Int64, _ tag: ChainTag, isCounted: Bool) {
        let columns = table.columns
        // Whose place it had, where only that was changed.
        if let keys = keys(of: tag.epoch), let origin = origin(table, row, columns.count, tag, keys) {
            return add(
                .reordered, "\(table.name)", id,
                "it is the row of id \(origin), put in the place of another\(when(table, row))")
        }
        add(.altered, "\(table.name)", id, "it is not as it was written\(when(table, row))")
    }

    /// Ids near by are tried.
    private func origin(
        _ table: ChainTable, _ row: Statement, _ columns: Int, _ tag: ChainTag, _ keys: ChainKeys
    ) -> Int64? {
        let id = row.integer(0)
        // Whatever number somebody has put there.
        guard (1..<SalvageSurvey.maximumID).contains(id) else { return nil }
        let rowBytes = table.columns.last == "block" ? row.withBlob(Int32(columns - 1)) { $0.count } : 0
        let reach: Int64 = 64
        for other in max(0, id - reach)...(id + reach) where other != id {
            originBytes -= rowBytes + columns * 16
            guard originBytes > 0 else { return nil }
            var input = keys.beginTag(table, life: tag.life, epoch: tag.epoch)
            input.add(UInt8(truncatingIfNeeded: SQLITE_INTEGER))
            input.add(other)
            for index in 1..<columns {
                // A row of one commit has its sequence twice.
                if table == .batches, index == 1, row.integer(1) == id {
                    input.add(UInt8(truncatingIfNeeded: SQLITE_INTEGER))
                    input.add(other)
                } else {
                    input.add(value: row.value(Int32(index)))
                }
            }
            if ChainTag(life: tag.life, epoch: tag.epoch, input.end()) == tag { return other }
        }
        return nil
    }

    private func when(_ table: ChainTable, _ row: Statement) -> String {
        let names = ["received_wall", "settled_wall", "buried_wall", "lost_wall", "wall"]
        guard let index = table.columns.firstIndex(where: { names.contains($0) }) else { return "" }
        let place = table == .batches ? "; sequences \(row.integer(0)) to \(row.integer(1))" : ""
        return "\(place), of \(UTC.text(row.integer(Int32(index))))"
    }

    // MARK: What is missing

    private func noteHoles(_ table: ChainTable, _ row: Statement, _ id: Int64, _ walk: inout Walk) {
        defer { walk.lastID = id }
        switch table {
        case .batches:
            let position = row.integer(2)
            if let end = walk.end {
                if position > end { walk.hole(end, position) }
            } else if position > 0 {
                walk.hole(0, position)
            }
            walk.end = max(walk.end ?? 0, position.addingCapped(max(0, row.integer(3))))
        // Only the oldest of these are ever deleted.
        case .receipts, .deliveries, .events:
            if let last = walk.lastID, id > last + 1 { walk.hole(last, id) }
        case .deadLetters, .losses, .bases, .baseCopies, .backends, .incarnations: break
        }
    }

    private func conclude(_ table: ChainTable, _ walk: Walk) {
        guard let state, isCurrent else { return }
        let expected = state[table]
        guard walk.rows != expected.rows || walk.sum != expected.sum else {
            // By their sum alone.
            if !table.isTagged { answer.soundRows += walk.rows }
            return
        }
        let surplus = walk.rows - expected.rows
        let before = answer.findings.count + answer.unlistedFindings
        for row in walk.untrue where row.tag == nil {
            add(
                .inserted, "\(table.name)", row.id, "it has no tag: the node has not written it, or its tag was removed"
            )
        }
        if surplus < 0 || !walk.untrue.isEmpty || table == .batches { addRemoved(table, walk) }
        let isExplained = answer.findings.count + answer.unlistedFindings > before
        guard !isExplained else { return }
        let count = surplus.magnitude
        let rows = "\(count) row\(count == 1 ? "" : "s")"
        let last = "of the last commit, at \(UTC.text(state.wall))"
        if surplus > 0 {
            add(
                .inserted, "\(table.name)", nil,
                "\(rows) more than \(last): copied from elsewhere, or put back after the node had deleted them")
        } else if surplus < 0 {
            add(.removed, "\(table.name)", nil, "\(rows) fewer than \(last); which ones, nothing tells")
        } else {
            add(
                .changed, "\(table.name)", nil,
                "as many rows as \(last), and not the same: a former state of one was put back, or one for another")
        }
    }

    private func addRemoved(_ table: ChainTable, _ walk: Walk) {
        for hole in walk.holes {
            guard table == .batches else {
                let (first, last) = (hole.after + 1, hole.before - 1)
                add(
                    .removed, "\(table.name)", first == last ? first : nil,
                    first == last ? "the row is gone" : "the rows \(first) to \(last) are gone")
                continue
            }
            for gap in unpruned(hole.after..<hole.before) {
                add(
                    .removed, "\(table.name)", nil,
                    "the points of positions \(gap.lowerBound) to \(gap.upperBound - 1) are gone, and the node has not "
                        + "deleted them")
            }
        }
    }

    /// What of a span the node has not deleted.
    private func unpruned(_ span: Range<Int64>) -> [Range<Int64>] {
        var left = [span]
        for known in pruned {
            left = left.flatMap { part -> [Range<Int64>] in
                guard part.overlaps(known) else { return [part] }
                return [
                    part.lowerBound..<max(part.lowerBound, known.lowerBound),
                    min(known.upperBound, part.upperBound)..<part.upperBound,
                ]
                .filter { !$0.isEmpty }
            }
        }
        return left
    }
}

extension ChainVerifier.Walk {
    fileprivate mutating func note(_ id: Int64, _ tag: ChainTag?) {
        if untrue.count < ChainVerifier.maximumFindings { untrue.append((id, tag)) }
    }

    fileprivate mutating func hole(_ after: Int64, _ before: Int64) {
        if holes.count < ChainVerifier.maximumFindings { holes.append((after, before)) }
    }
}
