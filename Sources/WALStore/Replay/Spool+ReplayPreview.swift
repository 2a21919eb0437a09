import Metrics

/// What a job would send, without one: nothing is written.
public struct ReplayPreview: Sendable {
    /// As far as it was looked at: its counts are those of a job whose points are all `pending`.
    public internal(set) var job: ReplayJob
    /// The points that were found last.
    public internal(set) var pieces: [LeasedPiece] = []

    public var isWhole: Bool { job.isAtEnd }
}

extension Spool {
    /// Begins to look at what a job would send.
    ///
    /// - Throws: as `startReplay`.
    public func previewReplay(_ order: ReplayOrder) throws(SpoolError) -> ReplayPreview {
        ReplayPreview(job: try planReplay(order))
    }

    /// Looks further: finds up to `limit` points, or none in a long stretch of others.
    public func advance(_ preview: ReplayPreview, limit: Int) async throws(SpoolError) -> ReplayPreview {
        let piece = try await readPiece(preview.job, limit: limit)
        var next = ReplayPreview(job: piece.after, pieces: piece.leased(limit: limit))
        next.job.counts.pending += piece.openPoints
        return next
    }
}
