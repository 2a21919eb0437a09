/// Copying the spool while it is used: on the writer's thread and through the writer's connection, a step at a time
/// between two commits.
extension Spool: CopySource {
    /// - Throws: `.unavailable` while rows of a spool that was set aside are carried over: they would be missing.
    func beginCopy(to path: String) throws(SpoolError) {
        guard salvage == nil, !isBeingSalvaged else {
            throw SpoolError(.unavailable, "its salvage is under way: what is not carried over yet would be missing")
        }
        copy?.abandon()
        let connection = try openDatabase().connection
        // Not `checked`: what is wrong with the copy's file is nothing against the spool's.
        do throws(SQLiteError) {
            copy = try LiveCopy(of: connection, to: path, vfs: environment.files.disk.vfs)
        } catch {
            throw error.asSpoolError
        }
    }

    /// Commits what waits, whose senders come first, then copies.
    func copyStep(_ limit: CopyLimit) throws(SpoolError) -> CopyStep {
        commitPending()
        guard let copy else { throw SpoolError(.closing, "the spool was closed or reopened while it was copied") }
        let step = try limit.run(copy)
        if step.isWhole { self.copy = nil }
        return step
    }

    func abandonCopy() {
        copy?.abandon()
        copy = nil
    }

    /// Closes the connection at once, and ends what copies through it.
    func closeDatabase() {
        abandonCopy()
        bases.removeAll(before: .max)
        database?.connection.close()
        database = nil
    }
}
