import Synchronization

extension Spool {
    /// What is known after a failed transaction.
    enum Recovery: Sendable {
        /// It was rolled back, or the spool cannot go on.
        case none
        /// The database was reopened; what it shows is not known to be on the disk.
        case reopened
        /// The database was reopened, and all that it shows was written and synced anew.
        case rewritten
    }

    /// After an I/O error the last commit may be there or not: closes without a checkpoint, opens again, and takes what
    /// recovery shows as the truth (rule 19). A second failure in a row ends this spool: its owner sets it
    /// aside.
    ///
    /// What recovery shows may be in the page cache only: after a failed fsync Linux marks the pages clean, and the next
    /// fsync does not write them (<https://wiki.postgresql.org/wiki/Fsync_Errors>). A later commit behind such a hole would go with it in a power
    /// cut. So the log is folded into the database, which writes and syncs it again, and emptied. Only then is a commit
    /// that recovery shows answered as success; else its requests fail, and a resend may double them.
    func recover(from failure: SQLiteError) -> Recovery {
        raise(.warning, "a spool is reopened after an input/output error", ["error": failure.description])
        // What fails from here on is decided here.
        let wasTransacting = isTransacting
        isTransacting = true
        defer { isTransacting = wasTransacting }
        let former = Dictionary(uniqueKeysWithValues: ledger.backends.map { ($0.id, $0) })
        // With a connection left, opening again would take its index of the log for the truth and recover nothing.
        reader.disconnect()
        closeDatabase()
        reopenings += 1
        guard reopenings == 1 else { return giveUp(failure.asSpoolError) }
        let isRewritten: Bool
        do throws(SpoolError) {
            try load()
            isRewritten = try rewriteLog()
            isLogDoubtful = !isRewritten
        } catch {
            return giveUp(error)
        }
        // What had not been written yet.
        for index in ledger.backends.indices {
            guard let former = former[ledger.backends[index].id] else { continue }
            ledger.backends[index].retry = former.retry
            ledger.backends[index].unknownBefore = max(ledger.backends[index].unknownBefore, former.unknownBefore)
        }
        return isRewritten ? .rewritten : .reopened
    }

    private func giveUp(_ error: SpoolError) -> Recovery {
        end(.error, "a spool cannot go on after input/output errors", error)
        return .none
    }

    /// The file turned out to be damaged while it was in use: it is closed, and its owner sets it aside and carries over
    /// what can be read. Nothing of what is on disk is changed.
    func declareDamaged(_ error: SpoolError) {
        guard broken == nil else { return }
        end(.error, "a spool turned out to be damaged; it is set aside and carried over", error)
    }

    func end(_ level: Event.Level, _ message: StaticString, _ cause: SpoolError) {
        reader.disconnect()
        closeDatabase()
        let error = SpoolError(.unavailable, message.description, cause: "\(cause)")
        broken = error
        queue.withLock { $0.refusal = error }
        raise(level, message, ["error": cause.description])
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
        abandonCopy()
        guard database != nil else { return }
        do throws(SpoolError) {
            try transact(closing: true) { _ in }
            database?.connection.setCheckpointOnClose(true)
        } catch {
            raise(.warning, "a spool could not be closed cleanly", ["error": error.description])
        }
        closeDatabase()
        environment.cache.removeAll(cacheID)
    }
}
