import CNATS
import Synchronization
import WALStore

/// A connection from its opening to its end, with a thread of its own: opening, writing and ending block.
///
/// libnats waits for a TLS handshake without any limit. A line that is not open in time is left: who waits has an answer, the
/// thread ends when the library returns, and what it returns is thrown away.
final class NATSLine: Sendable {
    private struct Waiting {
        var message: HeldMessage
        var attempt: UInt64
    }

    private enum Standing {
        case opening([Waiting])
        case open(NATSConnection)
        case failed(Answer)
    }

    private let endpoint: NATSEndpoint
    private let pending: PendingAnswers
    private let thread: ThreadExecutor
    private let left: LinesLeft
    private let standing = Mutex(Standing.opening([]))

    init(_ endpoint: NATSEndpoint, _ pending: PendingAnswers, _ thread: ThreadExecutor, left: LinesLeft) {
        self.endpoint = endpoint
        self.pending = pending
        self.thread = thread
        self.left = left
    }

    deinit {
        let connection = standing.withLock { standing -> NATSConnection? in
            guard case .open(let connection) = standing else { return nil }
            return connection
        }
        thread.submit {
            connection?.end()
            nats_ReleaseThreadMemory()
        }
        thread.stop()
    }

    /// Opens it, once. Does not block.
    func begin() {
        // The library takes as long for each server, and we for the subscription.
        let patience = endpoint.connectTimeout * (endpoint.servers.count + 1)
        let timer = Task { [weak self] in
            do { try await Task.sleep(for: patience) } catch { return }
            self?.leave("connect: no connection within \(patience)")
        }
        thread.submit { [self] in
            open()
            timer.cancel()
        }
    }

    /// Whether messages may be handed to it.
    var isUsable: Bool {
        standing.withLock { standing in
            switch standing {
            case .opening: true
            case .open(let connection): !connection.isOver
            case .failed: false
            }
        }
    }

    /// Sends it once the line is open. Does not block.
    func publish(_ message: HeldMessage, for attempt: UInt64) {
        let answer = standing.withLock { standing -> Answer? in
            switch standing {
            case .opening(let waiting): standing = .opening(waiting + [Waiting(message: message, attempt: attempt)])
            case .open(let connection): thread.submit { Self.send(message, attempt, over: connection) }
            case .failed(let answer): return answer
            }
            return nil
        }
        if let answer { pending.end(attempt, answer) }
    }

    private static func send(_ message: HeldMessage, _ attempt: UInt64, over connection: NATSConnection) {
        guard let message = message.take() else { return }
        connection.publish(message, for: attempt)
    }

    private func open() {
        do throws(NATSConnection.Failure) {
            let connection = try NATSConnection(endpoint, pending)
            guard let waiting = settle(.open(connection)) else { return connection.end() }
            for one in waiting { Self.send(one.message, one.attempt, over: connection) }
        } catch {
            for one in settle(.failed(error.answer)) ?? [] { pending.end(one.attempt, error.answer) }
        }
    }

    /// - Returns: who waited; nil when the line was left.
    private func settle(_ settled: Standing) -> [Waiting]? {
        standing.withLock { standing in
            guard case .opening(let waiting) = standing else {
                left.add(-1)
                return nil
            }
            standing = settled
            return waiting
        }
    }

    private func leave(_ reason: String) {
        let answer = Answer.failure(TransportFailure(mayHaveArrived: false, reason: reason))
        let waiting = standing.withLock { standing -> [Waiting] in
            guard case .opening(let waiting) = standing else { return [] }
            standing = .failed(answer)
            left.add(1)
            return waiting
        }
        for one in waiting { pending.end(one.attempt, answer) }
    }
}
