extension Spool {
    /// Dead letters that a filter lets through, oldest first, read on a reader's thread.
    ///
    /// - Parameter after: `DeadLetterPage.next` of the page before; 0 to begin.
    public nonisolated func deadLetters(
        _ filter: DeadLetterFilter, after: Int64 = 0, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> DeadLetterPage {
        try await reader.deadLetters(filter, after: after, limit)
    }

    /// Deliveries that nobody has confirmed, read on a reader's thread; the filter's backend and times of burial count.
    ///
    /// - Parameter after: `AssumedDeliveryPage.next` of the page before; 0 to begin.
    public nonisolated func assumedDeliveries(
        _ filter: DeadLetterFilter, after: Int64 = 0, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> AssumedDeliveryPage {
        try await reader.assumedDeliveries(filter, after: after, limit)
    }

    /// One dead letter; nil when there is none with this id. Ids may come back after a letter has gone.
    public nonisolated func deadLetter(_ id: Int64) async throws(SpoolError) -> DeadLetterWithPoint? {
        try await reader.deadLetter(id)
    }
}
