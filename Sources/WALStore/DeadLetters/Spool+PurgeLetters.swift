import Metrics

/// Letters that an operator ends: a loss each, with reason `purge`.
extension Spool {
    /// Letters of one transaction, which is as short as a commit's.
    private static let lettersAPurge = 256

    /// What a purge has come to.
    public struct Purge: Sendable, Hashable {
        /// Letters that are lost now: exactly so many, whoever else ended some meanwhile.
        public var points: Int64 = 0
        /// Where it goes on; nil: nothing that the filter lets through is left.
        public var next: Int64?
    }

    /// Ends the dead letters that a filter lets through, some hundred a transaction; after a kill those of the last one
    /// are lost or are there, and the loss rows count exactly the lost ones.
    ///
    /// - Parameters:
    ///   - after: `Purge.next` of the part before; 0 to begin.
    ///   - asked: by whom and for what; an event keeps it in the first transaction.
    ///   - nanoseconds: it ends after so long at the latest, and says where it goes on.
    /// - Throws: `.unavailable` while the spool's former file is still carried over; `.unreadable` as `deadLetters`. Nothing
    ///   was ended then.
    public func purgeDeadLetters(
        _ filter: DeadLetterFilter, after: Int64 = 0, asked: String, nanoseconds: Int64 = 5_000_000_000
    ) async throws(SpoolError) -> Purge {
        var purge = Purge()
        let deadline = environment.scheduling.monotonic() + nanoseconds
        purge.next = after
        // One part at least: whoever asks again and again comes to the end.
        repeat {
            guard let from = purge.next else { break }
            do throws(SpoolError) {
                let page = try await deadLetters(filter, after: from, DeadLetterLimit(letters: Spool.lettersAPurge))
                let isFirst = purge.points == 0
                if !page.letters.isEmpty { purge.points += try endLetters(page.letters, isFirst ? asked : nil) }
                purge.next = page.next
            } catch {
                // What was ended counts; whoever goes on meets the failure.
                guard purge.points > 0 else { throw error }
                return purge
            }
            // New points first.
            await letCommitsPass()
        } while environment.scheduling.monotonic() < deadline
        return purge
    }

    /// - Returns: how many of them were still there.
    func endLetters(_ found: [DeadLetterWithPoint], _ asked: String? = nil) throws(SpoolError) -> Int64 {
        guard salvage == nil else {
            throw SpoolError(
                .unavailable, "the spool's former file is still being carried over: its letters can be purged then")
        }
        return try transact { (database) throws(SpoolError) in
            var points: Int64 = 0
            for index in ledger.backends.indices {
                let id = ledger.backends[index].id
                let mine = found.filter { $0.letter.backendID == id }
                guard !mine.isEmpty, let loss = try delete(mine, backendID: id, database) else { continue }
                points += loss.points
                ledger.backends[index].deadPoints -= loss.points
                ledger.backends[index].lostPoints += loss.points
                changedBackends.insert(id)
                try checked { () throws(SQLiteError) in try count(loss, database) }
            }
            if points > 0, let asked { try record(event: "dead_letters_purged", asked, database) }
            return points
        }
    }

    /// - Returns: what is lost with those that were there; nil: none was.
    private func delete(
        _ found: [DeadLetterWithPoint], backendID: Int64, _ database: Database
    ) throws(SpoolError) -> LossRow? {
        var loss = LossRow(
            backendID: backendID, reason: .purge, points: 0, detail: "dead letters among these places",
            startedAt: clock.at)
        for (letter, point) in found.map({ ($0.letter, $0.point) }) {
            let place = letter.origin
            try checked { () throws(SQLiteError) in
                try database.statements.deleteDeadLetterOfPlace.run(
                    .integer(letter.id), .integer(backendID), .integer(place.sequence), .integer(place.ordinal))
            }
            guard database.connection.changes == 1 else { continue }
            loss.points += 1
            if let time = point?.points.times.first {
                loss.firstTime = min(loss.firstTime ?? time, time)
                loss.lastTime = max(loss.lastTime ?? time, time)
            }
            // What a damaged row says of its place is not said on.
            guard place.sequence >= 0, (0..<Int64(Block.maximumPoints)).contains(place.ordinal) else { continue }
            let end = Place(place.sequence, place.ordinal + 1)
            loss.places = PlaceRange(min(loss.places?.start ?? place, place), max(loss.places?.end ?? end, end))
        }
        return loss.points > 0 ? loss : nil
    }
}
