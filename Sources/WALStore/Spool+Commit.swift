import Metrics
import Synchronization

extension Spool {
    /// Commits all that waits: appends become rows, settles leave the ledger, in one transaction with one fsync; then
    /// everybody is answered.
    ///
    /// - Parameter share: what of it.
    func commitPending(_ share: CommitQueue.Share = .all) {
        let work = queue.withLock { $0.take(share) }
        guard !work.appends.isEmpty || !work.settles.isEmpty else { return }
        _ = clock.read(environment.time)
        if work.hasMarks {
            commitMarked(work.appends, work.settles)
        } else {
            commit(work.appends, work.settles)
        }
        afterCommit(isIdle: queue.withLock { $0.isIdle })
    }

    func commit(_ appends: [CommitQueue.Append], _ settles: [CommitQueue.Settle]) {
        if !appends.isEmpty, !settles.isEmpty, case .reject(let reason) = admission {
            // Settling goes on: it is what makes room. Answered here, so that nothing answers them again when it fails.
            fail(appends, [], SpoolError(.full, reason))
            return commit([], settles)
        }
        do throws(SpoolError) {
            let stored = try store(appends, settles)
            if !stored.rows.isEmpty {
                keepBases(of: stored.rows)
                noteCommit()
                noteIntake(nil)
            }
            for (append, receipt) in zip(appends, stored.receipts) { append.completion(.success(receipt)) }
            for (settle, answer) in zip(settles, stored.settled) { settle.completion(answer) }
            // Copies what it keeps: behind the answers, before whoever leases it is told.
            keepForDelivery(stored.rows, appends)
            if !stored.rows.isEmpty { environment.onWork() }
            for row in stored.rows where row.slices.count > 1 { environment.spare.give(row.batch) }
        } catch {
            bases.dropUnstored()
            if error.code == .full, !appends.isEmpty { return commitShort(appends, settles, error) }
            if error.isAboutOneRequest, appends.count + settles.count > 1 { return commitAlone(appends, settles) }
            fail(appends, settles, error)
        }
    }

    /// There is no room for a group's points: settling goes on, it is what makes room; then each half has a try of its
    /// own, and for a single request room is made, or the policy decides.
    private func commitShort(
        _ appends: [CommitQueue.Append], _ settles: [CommitQueue.Settle], _ error: SpoolError
    ) {
        if !settles.isEmpty { commit([], settles) }
        guard database != nil, let refused = refusedGrowth else { return fail(appends, [], error) }
        refusedGrowth = nil
        if appends.count > 1 {
            let middle = appends.count / 2
            commit(Array(appends[..<middle]), [])
            return commit(Array(appends[middle...]), [])
        }
        if let limits = configuration.spaceLimits, Spool.logBytes(ofBlocks: refused.blockBytes) > limits.commitBytes {
            let reason = "the request takes more than the tenant's budget leaves to one commit"
            return fail(appends, [], SpoolError(.tooLarge, reason))
        }
        do throws(SpoolError) {
            guard try makeRoom(refused.by, for: refused.blockBytes) else { return fail(appends, [], error) }
        } catch {
            return fail(appends, [], error)
        }
        commit(appends, [])
    }

    /// One of the group may be what the database would not take: nobody else shall suffer for it.
    private func commitAlone(_ appends: [CommitQueue.Append], _ settles: [CommitQueue.Settle]) {
        for append in appends { commit([append], []) }
        for settle in settles { commit([], [settle]) }
    }

    private func fail(_ appends: [CommitQueue.Append], _ settles: [CommitQueue.Settle], _ error: SpoolError) {
        for settle in settles where error.code == .commitFailed {
            leases[settle.lease.id]?.hasUnknownSettle = true
        }
        if !appends.isEmpty { noteIntake(error) }
        for append in appends { append.completion(.failure(error)) }
        for settle in settles { settle.completion(.failure(error)) }
    }

    /// What one transaction made of a group.
    private struct Stored {
        var rows: [PackedRow] = []
        var receipts: [AppendReceipt] = []
        var settled: [Result<Void, SpoolError>] = []
    }

    private func store(
        _ appends: [CommitQueue.Append], _ settles: [CommitQueue.Settle]
    ) throws(SpoolError) -> Stored {
        var stored = Stored()
        refusedGrowth = nil
        if !appends.isEmpty {
            switch admission {
            case .accept: stored.rows = try pack(appends)
            case .reject(let reason): throw SpoolError(.full, reason)
            case .dropNewest: break
            }
        }
        let blockBytes = stored.rows.reduce(Int64(0)) { $0 + $1.storedBytes }
        defer {
            if blockBytes > 0 { refusedGrowth = RefusedGrowth(by: account.refusal ?? .disk, blockBytes: blockBytes) }
        }
        return try transact(storesPoints: !stored.rows.isEmpty) { (database) throws(SpoolError) in
            stored.settled = []
            for settle in settles { stored.settled.append(try end(settle, database)) }
            if !appends.isEmpty, stored.rows.isEmpty {
                stored.receipts = try dropNewest(appends, database)
            } else {
                stored.receipts = try insert(stored.rows, appends, database)
            }
            if isCommittingMarks { try note(marksOf: appends, stored.receipts, database) }
            return stored
        }
    }

    /// Leaves word outside the database of how far it goes.
    func noteCommit() {
        environment.commitMark?.write(
            CommitMark.Value(
                nextSequence: ledger.nextSequence, nextPosition: ledger.nextPosition,
                boot: CommitMark.boot(clock.bootID)))
    }

    /// What was just committed is what live delivery leases next: while somebody is that close it is kept, as the bodies it
    /// came in for backends that take them, and decoded for others.
    private func keepForDelivery(_ rows: [PackedRow], _ appends: [CommitQueue.Append]) {
        let near = ledger.backends.filter {
            $0.isAttached && $0.pendingPoints(upTo: ledger.nextPosition) < Spool.nearPoints
        }
        guard !near.isEmpty else { return }
        let takers = near.count { bodyTakers.contains($0.id) }
        for row in rows {
            if takers > 0, let bodies = RowBodies(row, appends) {
                environment.cache.insert(bodies, cacheID, row.sequence)
                if takers == near.count { continue }
            }
            let origins = OriginRun.fresh(row.sequence, points: row.batch.points.count)
            // What is kept is a copy without slack; the columns it was decoded into serve the next request.
            environment.cache.insert(
                DecodedBlock(batch: row.batch.trimmed(), origins: origins), cacheID, row.sequence)
        }
    }

    /// A backend further behind than this reads from disk anyway before it gets to what is committed now.
    private static let nearPoints: Int64 = 1_000_000
}

/// New points that a budget had no room for.
struct RefusedGrowth: Sendable {
    var by: SpaceAccount.Refusal
    /// What they take stored.
    var blockBytes: Int64
}

extension SpoolError {
    /// The failure lies in what was to be stored; others of the group may pass.
    var isAboutOneRequest: Bool { code == .tooLarge || code == .misuse }
}
