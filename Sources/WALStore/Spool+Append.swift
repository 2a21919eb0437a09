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
    nonisolated func scheduleCommit() {
        environment.writer.submit { self.assumeIsolated { $0.commitWhenDue() } }
    }

    /// `commit_linger` trades latency for wear: one timer for a group, not one for a request.
    private func commitWhenDue() {
        let linger = configuration.commitLingerNanoseconds
        guard linger > 0 else { return commitPending() }
        Task {
            // Cancelled or not, what waits is committed.
            try? await Task.sleep(nanoseconds: UInt64(linger))
            commitPending()
        }
    }
}
