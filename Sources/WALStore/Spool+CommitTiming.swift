import Synchronization

/// When what waits is committed (rule 17).
///
/// New points at once, or after `commit_linger`. A settle that somebody waits for goes at once. Any other goes with new points:
/// with those that linger, or with every ninth commit; where none goes by within 50 ms, or not eight within 200 ms, by
/// itself.
extension Spool {
    /// Answers a call of the queue on the spool's thread, behind what already waits there. Requests that arrive until
    /// then, or while another commit runs, join the commit.
    nonisolated func callCommit(_ call: CommitQueue.Call) {
        environment.writer.submit { self.assumeIsolated { $0.answer(call) } }
    }

    private func answer(_ call: CommitQueue.Call) {
        let linger = configuration.commitLingerNanoseconds
        let wait = call.kind == .appends ? linger : Spool.settleWaitNanoseconds
        guard call.mayWait, wait > 0 else { return commit(call) }
        Task(executorPreference: environment.scheduling.tasks) { [self] in
            // Cancelled or not, what waits is committed.
            try? await environment.scheduling.sleep(.nanoseconds(wait))
            if call.kind == .settles, queue.withLock({ $0.awaits(call) && $0.passed > 0 }) {
                try? await environment.scheduling.sleep(.nanoseconds(Spool.settlePatienceNanoseconds - wait))
            }
            await commit(call)
        }
    }

    /// Commits what the call was for, if it is still there.
    private func commit(_ call: CommitQueue.Call) {
        let (isAwaited, hasAppends) = queue.withLock { ($0.awaits(call), !$0.appends.isEmpty) }
        guard isAwaited else { return }
        let isLingering = hasAppends && configuration.commitLingerNanoseconds > 0
        switch call.kind {
        case .settles where isLingering && call.mayWait:
            // They have waited, and ride with the new points when these have: a commit of their own would be a further
            // one, and nobody misses them.
            return
        case .settles: commitPending(isLingering ? .settles : .all)
        case .appends: commitPending(configuration.commitLingerNanoseconds > 0 ? .all : .appends)
        }
    }

    /// What a settle waits for a commit to ride in, if nobody waits for it.
    private static let settleWaitNanoseconds: Int64 = 50_000_000
    /// The same where commits go by: each that it rides in writes two pages more.
    private static let settlePatienceNanoseconds: Int64 = 200_000_000
}
