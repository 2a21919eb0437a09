import Metrics

/// Requests that may have been sent before. All that is known of them is in the file: what a restart or a recovery shows is
/// what there is.
extension Spool {
    /// Commits a group of which some may have been sent before: those are answered with what was said then, and of
    /// those that are sent twice within the group one is committed and the others are looked at again.
    func commitMarked(_ appends: [CommitQueue.Append], _ settles: [CommitQueue.Settle]) {
        isCommittingMarks = true
        defer { isCommittingMarks = false }
        var (waiting, settles) = (appends, settles)
        // Each round has one less of those with the same name.
        while !waiting.isEmpty || !settles.isEmpty {
            let group = screen(waiting)
            for (append, answer) in group.answered { append.completion(answer) }
            if !group.now.isEmpty || !settles.isEmpty { commit(group.now, settles) }
            settles = []
            waiting = group.later
        }
    }

    /// A group, by what is to be done with it.
    private struct Screened {
        var answered: [(CommitQueue.Append, Result<AppendReceipt, SpoolError>)] = []
        var now: [CommitQueue.Append] = []
        /// Another one in `now` has its name.
        var later: [CommitQueue.Append] = []
    }

    private func screen(_ appends: [CommitQueue.Append]) -> Screened {
        var group = Screened()
        var names: Set<ResendName> = []
        var newStreams: Int64 = 0
        for append in appends {
            guard let mark = append.request.mark else {
                group.now.append(append)
                continue
            }
            guard !names.contains(mark.name) else {
                group.later.append(append)
                continue
            }
            do throws(SpoolError) {
                if let receipt = try formerReceipt(of: mark, &newStreams) {
                    group.answered.append((append, .success(receipt)))
                } else {
                    names.insert(mark.name)
                    group.now.append(append)
                }
            } catch {
                group.answered.append((append, .failure(error)))
            }
        }
        return group
    }

    /// What a request was answered when it was sent before; nil: it is to be committed.
    ///
    /// - Parameter newStreams: of this group so far.
    /// - Throws: `.outOfStep` when it begins elsewhere than where what is committed ends; `.otherRequest` when the key was
    ///   another body's; `.full` when there is no room for its mark.
    private func formerReceipt(
        of mark: RequestMark, _ newStreams: inout Int64
    ) throws(SpoolError) -> AppendReceipt? {
        let found = try progress(of: mark.name)
        if let found, case .key = mark.name, let receipt = try Spool.formerReceipt(of: mark, found) { return receipt }
        let committed = found?.committedLines ?? 0
        guard committed == mark.lines.lowerBound else {
            throw .outOfStep(committed, "the lines from \(mark.lines.lowerBound) on do not follow")
        }
        if found == nil, case .stream = mark.name {
            let database = try openDatabase()
            let known = try checked { () throws(SQLiteError) in try database.resend().countStreams.integer() }
            guard known + newStreams < Int64(configuration.resend.maximumStreams) else {
                throw SpoolError(
                    .full, "the tenant has \(known) streams, and may have no more until one of them was idle for long")
            }
            newStreams += 1
        }
        if case .dropNewest = admission, !hasRoomForDropReceipts {
            throw SpoolError(.full, "there is no room to note that the request was sent")
        }
        return nil
    }

    /// - Parameter found: what is committed under its key.
    /// - Returns: nil when it goes on with that.
    private static func formerReceipt(
        of mark: RequestMark, _ found: ResendProgress
    ) throws(SpoolError) -> AppendReceipt? {
        guard found.isComplete || mark.isWhole else { return nil }
        guard mark.isLast, mark.lines.lowerBound == 0 else {
            throw .outOfStep(found.committedLines, "another sending of it has come to its end meanwhile")
        }
        guard found.isComplete, found.body == mark.body else { throw .otherRequest }
        var receipt = AppendReceipt(
            places: [], storedPoints: found.storedPoints, refusedPoints: found.refusedPoints,
            droppedPoints: found.droppedPoints)
        receipt.isRepeat = true
        return receipt
    }
}

extension SpoolError {
    fileprivate static func outOfStep(_ committed: Int64, _ message: String) -> SpoolError {
        var error = SpoolError(.outOfStep, "\(committed) lines are committed: \(message)")
        error.committedLines = committed
        return error
    }

    public static let otherRequest = SpoolError(.otherRequest, "the Idempotency-Key was that of another request")
}
