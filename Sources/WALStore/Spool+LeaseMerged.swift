import Metrics

extension Spool {
    /// Loads the rows of a plan as one batch, on the reader's thread.
    ///
    /// - Returns: nil when a row turned out to be damaged: it is a loss now, and the caller plans anew.
    func merged(_ plan: Plan) async throws(SpoolError) -> Lease? {
        let isShared = ledger.backends.count > 1
        let rows = plan.record.pieces.map { piece in
            RowsToMerge.Row(
                row: piece.row, ordinals: piece.ordinals, cached: environment.cache.block(cacheID, piece.row.sequence),
                // Wanted again: by another backend, or for the rest of its points.
                isKept: isShared || piece.ordinals.count < piece.row.points)
        }
        let merge = RowsToMerge(
            rows: rows, maximumBytes: LeaseLimit.mergedBytes, spool: cacheID, cache: environment.cache,
            memory: environment.merges)
        let merged = await reader.merge(merge)
        guard var record = leases[plan.id] else { throw SpoolError(.closing, "the spool closed during the lease") }
        if let failure = merged.failure {
            leases[plan.id] = nil
            let row = record.pieces[merged.pieces.count].row
            if failure.isMisfit {
                // The block is checked, its row is not.
                let error = SpoolError(.unavailable, "the row \(row.sequence) is not that of its block")
                declareDamaged(error)
                throw error
            }
            guard failure.error.code == .unreadable else { throw failure.error }
            try await loseDamaged(row, failure.error)
            return nil
        }
        record.keepFirst(merged.pieces.count)
        record.isMerged = true
        for (index, piece) in merged.pieces.enumerated() {
            record.pieces[index].origins = piece.origins
            record.pieces[index].shift = piece.shift
        }
        leases[plan.id] = record
        let pieces = record.pieces.map { piece in
            let span = piece.span(piece.ordinals)
            return LeasedPiece(
                places: PlaceRange(span.start.place, span.end.place), batch: merged.batch,
                ordinals: piece.leasedOrdinals, maybeSent: piece.row.sequence < plan.unknownBefore,
                overtaken: plan.overtaken.map { piece.row.ordinals(of: $0).shifted(by: piece.shift) } ?? 0..<0)
        }
        return Lease(id: plan.id, backend: record.name, lane: plan.lane, pieces: pieces)
    }
}

/// Rows, in order, that become one batch.
struct RowsToMerge: Sendable {
    struct Row: Sendable {
        var row: StoredRow
        var ordinals: Range<Int>
        var cached: DecodedBlock?
        /// Whether its block goes into the cache.
        var isKept: Bool
    }
    var rows: [Row]
    /// With so much in the batch no further row is taken.
    var maximumBytes: Int
    /// As whose blocks go into the cache, and series into the memory.
    var spool: UInt64
    var cache: BlockCache
    var memory: MergeMemory
}

/// What became of `RowsToMerge`: the first rows of them, up to a bound or a failure.
struct MergedRows: Sendable {
    struct Piece: Sendable {
        var origins: [OriginRun]
        /// Ordinal in the batch less ordinal in the row.
        var shift: Int
    }
    struct Failure: Sendable {
        var error: SpoolError
        /// The block was read, and is not that of its row.
        var isMisfit = false
    }
    var batch = Batch()
    var pieces: [Piece] = []
    /// Of the row behind `pieces`.
    var failure: Failure?
}

extension SpoolReader {
    func merge(_ merge: RowsToMerge) -> MergedRows {
        var merged = MergedRows()
        let points = merge.rows.reduce(0) { $0 + $1.ordinals.count }
        var merger = merge.memory.take(merge.spool, points: points)
        for row in merge.rows {
            if !merged.pieces.isEmpty, merger.batch.allocatedBytes >= merge.maximumBytes { break }
            let found: RowContent
            do throws(SpoolError) { found = try content(row, merger) } catch {
                merged.failure = MergedRows.Failure(error: error)
                break
            }
            guard found.points == row.row.points, row.row.isRow(of: found.origins) else {
                merged.failure = MergedRows.Failure(
                    error: SpoolError(.unavailable, "a row is not that of its block"), isMisfit: true)
                break
            }
            if row.cached == nil, row.isKept, case .block(let block) = found {
                merge.cache.insert(block, merge.spool, row.row.sequence)
            }
            let first = merger.add(found, row.ordinals).lowerBound
            merged.pieces.append(
                MergedRows.Piece(origins: found.origins, shift: first - row.ordinals.lowerBound))
        }
        merge.memory.give(merger.series, of: merge.spool)
        merged.batch = merger.batch
        return merged
    }

    /// What goes into the cache, or to points that are not plain, needs its labels.
    private func content(_ row: RowsToMerge.Row, _ merger: RowMerger) throws(SpoolError) -> RowContent {
        if let cached = row.cached { return .block(cached) }
        return row.isKept || !merger.takesColumns
            ? .block(try block(row.row.sequence)) : try content(row.row.sequence)
    }
}
