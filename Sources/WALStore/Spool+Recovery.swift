import Synchronization

extension Spool {
    /// After an I/O error the last commit may be there or not: closes without a checkpoint, opens again, and takes what
    /// recovery shows as the truth (`storage.md` 19). A second failure in a row ends this spool: its owner sets it
    /// aside.
    func recover(from failure: SQLiteError) {
        raise(.warning, "a spool is reopened after an input/output error", ["error": failure.description])
        let retries = Dictionary(uniqueKeysWithValues: ledger.backends.map { ($0.id, $0.retry) })
        database?.connection.close()
        database = nil
        reopenings += 1
        guard reopenings == 1 else { return giveUp(failure.asSpoolError) }
        do throws(SpoolError) {
            try load()
        } catch {
            return giveUp(error)
        }
        for index in ledger.backends.indices {
            guard let retry = retries[ledger.backends[index].id] else { continue }
            ledger.backends[index].retry = retry
        }
    }

    private func giveUp(_ error: SpoolError) {
        database?.connection.close()
        database = nil
        let error = SpoolError(.unavailable, "the spool cannot go on after input/output errors", cause: "\(error)")
        broken = error
        queue.withLock { $0.refusal = error }
        raise(.error, "a spool cannot go on after input/output errors", ["error": error.description])
        environment.onBroken(error)
    }

    /// Commits what is queued, ends all leases and closes the file, checkpointed: it then needs no recovery.
    ///
    /// Leases that are still out count as sent without an answer.
    func close() async {
        queue.withLock { $0.refusal = $0.refusal ?? SpoolError(.closing, "the spool is closing") }
        commitPending()
        for record in leases.values { markUnknown(record) }
        leases = [:]
        await reader.close()
        guard let database else { return }
        do throws(SpoolError) {
            try transact(closing: true) { _ in }
            database.connection.setCheckpointOnClose(true)
        } catch {
            raise(.warning, "a spool could not be closed cleanly", ["error": error.description])
        }
        database.connection.close()
        self.database = nil
        environment.cache.removeAll(cacheID)
    }
}
