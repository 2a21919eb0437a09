import Metrics
import Synchronization

extension Spool {
    /// Commits all that waits: appends become rows, settles leave the ledger, in one transaction with one fsync; then
    /// everybody is answered.
    func commitPending() {
        let work = queue.withLock { $0.take() }
        guard !work.appends.isEmpty || !work.settles.isEmpty else { return }
        _ = clock.read(environment.time)
        commit(work.appends, work.settles)
        afterCommit(isIdle: queue.withLock { $0.isEmpty })
    }

    private func commit(_ appends: [CommitQueue.Append], _ settles: [CommitQueue.Settle]) {
        do throws(SpoolError) {
            let stored = try store(appends, settles)
            if !stored.rows.isEmpty { noteCommit() }
            keepDecoded(stored.rows)
            for (append, receipt) in zip(appends, stored.receipts) { append.completion(.success(receipt)) }
            for (settle, answer) in zip(settles, stored.settled) { settle.completion(answer) }
            if !stored.rows.isEmpty { environment.onWork() }
        } catch {
            if error.code == .full, !appends.isEmpty, !settles.isEmpty {
                // Settling goes on: it is what makes room.
                fail(appends, [], error)
                return commit([], settles)
            }
            if error.isAboutOneRequest, appends.count + settles.count > 1 { return commitAlone(appends, settles) }
            fail(appends, settles, error)
        }
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
        if !appends.isEmpty {
            switch admission {
            case .accept: stored.rows = try pack(appends)
            case .reject(let reason):
                if settles.isEmpty { throw SpoolError(.full, reason) }
                // Settling goes on: it is what makes room.
                fail(appends, [], SpoolError(.full, reason))
                return try store([], settles)
            case .dropNewest: break
            }
        }
        return try transact(storesPoints: !stored.rows.isEmpty) { (database) throws(SpoolError) in
            stored.settled = []
            for settle in settles { stored.settled.append(try end(settle, database)) }
            if !appends.isEmpty, stored.rows.isEmpty {
                stored.receipts = try dropNewest(appends, database)
            } else {
                stored.receipts = try insert(stored.rows, appends, database)
            }
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

    /// Just committed blocks are what live delivery leases next: keeps them decoded while somebody is that close.
    private func keepDecoded(_ rows: [PackedRow]) {
        let isNear = ledger.backends.contains {
            $0.isAttached && $0.pendingPoints(upTo: ledger.nextPosition) < Spool.nearPoints
        }
        guard isNear else { return }
        for row in rows {
            let origins = OriginRun.fresh(row.sequence, points: row.batch.points.count)
            environment.cache.insert(
                DecodedBlock(batch: row.batch, origins: origins), cacheID, row.sequence)
        }
    }

    /// A backend further behind than this reads from disk anyway before it gets to what is committed now.
    private static let nearPoints: Int64 = 1_000_000
}

extension SpoolError {
    /// The failure lies in what was to be stored; others of the group may pass.
    var isAboutOneRequest: Bool { code == .tooLarge || code == .misuse }
}
