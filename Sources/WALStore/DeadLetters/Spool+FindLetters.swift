extension Spool {
    /// Dead letters that a filter lets through, oldest first, read on a reader's thread.
    ///
    /// - Parameter after: `DeadLetterPage.next` of the page before; 0 to begin.
    /// - Throws: `.unreadable` when the file is damaged there: it is then set aside, and what can be read of it is carried
    ///   over.
    public nonisolated func deadLetters(
        _ filter: DeadLetterFilter, after: Int64 = 0, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> DeadLetterPage {
        try await noticingDamage { () async throws(SpoolError) in
            try await reader.deadLetters(filter, after: after, limit)
        }
    }

    /// Deliveries that nobody has confirmed, read on a reader's thread; the filter's backend and times of burial count.
    ///
    /// - Parameter after: `AssumedDeliveryPage.next` of the page before; 0 to begin.
    /// - Throws: as `deadLetters`.
    public nonisolated func assumedDeliveries(
        _ filter: DeadLetterFilter, after: Int64 = 0, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> AssumedDeliveryPage {
        try await noticingDamage { () async throws(SpoolError) in
            try await reader.assumedDeliveries(filter, after: after, limit)
        }
    }

    /// One dead letter; nil when there is none with this id. Ids may come back after a letter has gone.
    public nonisolated func deadLetter(_ id: Int64) async throws(SpoolError) -> DeadLetterWithPoint? {
        try await noticingDamage { () async throws(SpoolError) in try await reader.deadLetter(id) }
    }

    /// The highest id that a letter has now, for `DeadLetterFilter.until`; nil when there is none.
    public nonisolated func newestDeadLetter() async throws(SpoolError) -> Int64? {
        try await noticingDamage { () async throws(SpoolError) in try await reader.newestDeadLetter() }
    }

    /// Damage that a reader meets twice, the second time anew from the disk, is the spool's, as if a lease had met it.
    private nonisolated func noticingDamage<Found: Sendable>(
        _ read: @Sendable () async throws(SpoolError) -> Found
    ) async throws(SpoolError) -> Found {
        do throws(SpoolError) { return try await read() } catch {
            guard error.code == .unreadable else { throw error }
        }
        do throws(SpoolError) { return try await read() } catch {
            if error.code == .unreadable { await declareDamaged(error) }
            throw error
        }
    }
}
