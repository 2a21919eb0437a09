import Synchronization

/// Attempts that wait for a broker's answer, by number. Each ends once: with an answer, when its connection ends, when its
/// time is over, or when its task is cancelled.
final class PendingAnswers: Sendable {
    private struct Attempt {
        var continuation: CheckedContinuation<Answer, Never>
        var timer: Task<Void, Never>?
        /// The connection that its bytes may have left over; nil: none have.
        var connection: UInt?
        var target = ""
    }

    private let attempts = Mutex((next: UInt64(1), waiting: [UInt64: Attempt]()))

    private let isOver = Atomic(false)

    /// Whoever asked is gone: what works for it may end.
    var isClosed: Bool { isOver.load(ordering: .acquiring) }
    func close() { isOver.store(true, ordering: .releasing) }

    /// Attempts that have no answer yet.
    var count: Int { attempts.withLock { $0.waiting.count } }

    /// Waits for the answer to what `start` sets going.
    ///
    /// - Parameters:
    ///   - timeout: then the attempt ends without one.
    ///   - start: is given the attempt's number, and must not block.
    func answer(within timeout: Duration, _ start: (UInt64) -> Void) async -> Answer {
        let number = attempts.withLock { attempts in
            defer { attempts.next += 1 }
            return attempts.next
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                attempts.withLock { $0.waiting[number] = Attempt(continuation: continuation) }
                let timer = Task { [self] in
                    do { try await Task.sleep(for: timeout) } catch { return }
                    giveUp(number, "no answer within \(timeout)")
                }
                let isWaiting = attempts.withLock { attempts in
                    attempts.waiting[number]?.timer = timer
                    return attempts.waiting[number] != nil
                }
                guard isWaiting else { return timer.cancel() }
                start(number)
                // A cancellation from before found nothing to cancel.
                if Task.isCancelled { giveUp(number, "cancelled") }
            }
        } onCancel: {
            giveUp(number, "cancelled")
        }
    }

    /// To be called before the first byte of it is handed to a connection.
    ///
    /// - Parameter target: the subject or topic, as errors name it.
    /// - Returns: false when nobody waits any more: it must not be sent.
    func leaves(_ number: UInt64, over connection: UInt, to target: String) -> Bool {
        attempts.withLock { attempts in
            attempts.waiting[number]?.connection = connection
            attempts.waiting[number]?.target = target
            return attempts.waiting[number] != nil
        }
    }

    /// - Returns: whether somebody waited for it.
    @discardableResult func end(_ number: UInt64, _ answer: Answer) -> Bool {
        guard let attempt = attempts.withLock({ $0.waiting.removeValue(forKey: number) }) else { return false }
        attempt.timer?.cancel()
        attempt.continuation.resume(returning: answer)
        return true
    }

    /// Ends it without an answer, and says whether it may have arrived.
    func giveUp(_ number: UInt64, _ reason: String) {
        guard let attempt = attempts.withLock({ $0.waiting.removeValue(forKey: number) }) else { return }
        attempt.timer?.cancel()
        attempt.continuation.resume(
            returning: .failure(TransportFailure(mayHaveArrived: attempt.connection != nil, reason: reason)))
    }

    /// Ends all whose bytes left over `connection`, to `target` where one is given.
    func endAll(over connection: UInt, to target: String? = nil, _ answer: Answer) {
        let numbers = attempts.withLock { attempts in
            attempts.waiting.filter {
                $0.value.connection == connection && (target ?? $0.value.target) == $0.value.target
            }
            .map(\.key)
        }
        for number in numbers { end(number, answer) }
    }
}
