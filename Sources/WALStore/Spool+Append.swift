import Metrics
import Synchronization

extension Spool {
    /// Queues a request for the next commit. `completion` runs once, on the spool's thread, after the fsync.
    public nonisolated func append(
        _ request: AppendRequest, completion: @escaping @Sendable (Result<AppendReceipt, SpoolError>) -> Void
    ) {
        let append = CommitQueue.Append(
            request: request, bytes: request.decoded.batch.memoryBytes, completion: completion)
        let admission = queue.withLock { $0.add(append, maximumBytes: environment.maximumQueuedBytes) }
        switch admission {
        case .queued(let schedulesCommit): if schedulesCommit { scheduleCommit() }
        case .refused(let error): completion(.failure(error))
        }
    }

    /// `append` for callers that can wait.
    public nonisolated func append(_ request: AppendRequest) async throws(SpoolError) -> AppendReceipt {
        let result = await withCheckedContinuation { continuation in
            append(request) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Runs a commit on the spool's thread, behind what already waits there. Requests that arrive until then, or while
    /// another commit runs, join it.
    ///
    /// - Parameter maximumWait: how long it may linger for company, nanoseconds.
    nonisolated func scheduleCommit(maximumWait: Int64 = .max) {
        environment.writer.submit { self.assumeIsolated { $0.commitWhenDue(maximumWait) } }
    }

    /// `commit_linger` trades latency for wear: one timer for a group, not one for a request. A timer whose group went
    /// with another commit finds nothing to do, or commits the next group early.
    private func commitWhenDue(_ maximumWait: Int64) {
        let wait = min(configuration.commitLingerNanoseconds, maximumWait)
        let isLarge = queue.withLock { $0.bytes > Spool.lingeringBytes }
        guard wait > 0, !isLarge else { return commitPending() }
        Task(executorPreference: environment.scheduling.tasks) { [self] in
            // Cancelled or not, what waits is committed.
            try? await environment.scheduling.sleep(.nanoseconds(wait))
            await commitPending()
        }
    }

    /// More than this does not wait for company: it fills a row by itself.
    private static let lingeringBytes = 8 << 20
}
