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
        case .queued(let call): if let call { callCommit(call) }
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
}
