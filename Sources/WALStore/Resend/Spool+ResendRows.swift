/// The rows of streams and keys: written with the points that they speak of, read between two commits.
extension Spool {
    /// Writes down, in the transaction of their points, which requests these were.
    func note(
        marksOf appends: [CommitQueue.Append], _ receipts: [AppendReceipt], _ database: Database
    ) throws(SpoolError) {
        for (append, receipt) in zip(appends, receipts) {
            guard let mark = append.request.mark else { continue }
            mayHaveMarks = true
            try checked { () throws(SQLiteError) in
                switch mark.name {
                case .stream(let name): try note(stream: name, mark.lines, database)
                case .key(let key): try note(key: key, mark, receipt, database)
                }
            }
        }
    }

    private func note(stream name: String, _ lines: Range<Int64>, _ database: Database) throws(SQLiteError) {
        let statements = try database.resend()
        try statements.extendStream.run(
            .text(name), .integer(lines.lowerBound), .integer(lines.upperBound), .integer(clock.at),
            .integer(clock.wall))
        if database.connection.changes > 0 { return }
        try statements.insertStream.run(
            .text(name), .integer(lines.upperBound), .integer(clock.at), .integer(clock.wall))
    }

    private func note(
        key: [UInt8], _ mark: RequestMark, _ receipt: AppendReceipt, _ database: Database
    ) throws(SQLiteError) {
        let statements = try database.resend()
        try statements.extendKey.run(
            .blob(key), .integer(mark.lines.lowerBound), .integer(mark.lines.upperBound), .blob(mark.body),
            mark.isLast ? 1 : 0, .integer(Int64(receipt.storedPoints)), .integer(Int64(receipt.refusedPoints)),
            .integer(Int64(receipt.droppedPoints)))
        if database.connection.changes > 0 { return }
        try statements.insertKey.run(
            .blob(key), .integer(mark.lines.upperBound), .blob(mark.body), mark.isLast ? 1 : 0,
            .integer(Int64(receipt.storedPoints)), .integer(Int64(receipt.refusedPoints)),
            .integer(Int64(receipt.droppedPoints)), .integer(clock.at), .integer(clock.wall))
        let newest = database.connection.lastInsertedID
        try statements.limitKeys.run(.integer(newest - Int64(configuration.resend.maximumKeys)))
    }

    /// What is committed under a name; nil: nothing, or it has been forgotten.
    ///
    /// - Throws: `.commitFailed` while it is not known whether what the file shows is on the disk.
    func progress(of name: ResendName) throws(SpoolError) -> ResendProgress? {
        let database = try openDatabase()
        if isLogDoubtful {
            guard try rewriteLog() else {
                throw SpoolError(.commitFailed, "what was committed last is not known to be on the disk")
            }
            isLogDoubtful = false
        }
        return try checked { () throws(SQLiteError) in
            switch name {
            case .stream(let name):
                return try database.resend().findStream.first(.text(name)) { row in
                    ResendProgress(committedLines: row.integer(0))
                }
            case .key(let key):
                return try database.resend().findKey.first(.blob(key)) { row in
                    var found = ResendProgress(committedLines: row.integer(0))
                    found.body = row.withBlob(1) { Array($0) }
                    found.isComplete = row.integer(2) == 1
                    // What a damaged file says may be any number.
                    found.storedPoints = Int(row.integer(3))
                    found.refusedPoints = Int(row.integer(4))
                    found.droppedPoints = Int(row.integer(5))
                    return found
                }
            }
        }
    }

    /// Looks up between two commits, so that whatever it finds is on the disk.
    ///
    /// - Parameter completion: called once, on the spool's thread.
    nonisolated func progress(
        of name: ResendName, completion: @escaping @Sendable (Result<ResendProgress?, SpoolError>) -> Void
    ) {
        environment.writer.submit {
            let found = self.assumeIsolated { spool -> Result<ResendProgress?, SpoolError> in
                do throws(SpoolError) { return .success(try spool.progress(of: name)) } catch { return .failure(error) }
            }
            completion(found)
        }
    }

    // MARK: Age

    private static let marksADeletion: Int64 = 256

    /// Forgets some hundred streams and keys that are older than their limits.
    ///
    /// - Returns: false when there are none.
    func forgetOldMarks() throws(SpoolError) -> Bool {
        guard mayHaveMarks else { return false }
        let database = try openDatabase()
        let streams = clock.at.subtractingSeconds(configuration.resend.streamSeconds)
        let keys = clock.at.subtractingSeconds(configuration.resend.keySeconds)
        let isOld = try checked { () throws(SQLiteError) in
            try database.resend().hasOldMarks.integer(.integer(streams), .integer(keys)) == 1
        }
        guard isOld else { return false }
        try transact { (database) throws(SpoolError) in
            try checked { () throws(SQLiteError) in
                let statements = try database.resend()
                try statements.deleteOldStreams.run(.integer(streams), .integer(Spool.marksADeletion))
                var deleted = database.connection.changes
                try statements.deleteOldKeys.run(.integer(keys), .integer(Spool.marksADeletion))
                deleted += database.connection.changes
                // Those that are there by one index and not by another would be tried for ever.
                guard deleted > 0 else { throw SQLiteError.corrupt("rows that were read are not there") }
            }
        }
        return true
    }
}
