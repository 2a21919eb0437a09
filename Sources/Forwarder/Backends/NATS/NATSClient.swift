import Synchronization
import WALStore

/// The one connection of a backend: opened by the first message, and another one when it ended.
final class NATSClient: Sendable {
    private let endpoint: NATSEndpoint
    private let makeThread: @Sendable () -> ThreadExecutor?
    private let pending = PendingAnswers()
    private let left = LinesLeft()
    private let line = Mutex<NATSLine?>(nil)

    /// - Parameter makeThread: nil from it: the system has none.
    init(
        _ endpoint: NATSEndpoint, makeThread: @escaping @Sendable () -> ThreadExecutor? = { ThreadExecutor.started() }
    ) {
        self.endpoint = endpoint
        self.makeThread = makeThread
    }

    /// Returns with the stream's answer, or at the timeout.
    func publish(_ message: NATSMessage) async -> Answer {
        let held = HeldMessage(message)
        defer { _ = held.take() }
        return await pending.answer(within: endpoint.timeout) { attempt in
            do throws(NATSConnection.Failure) {
                try usable().publish(held, for: attempt)
            } catch {
                pending.end(attempt, error.answer)
            }
        }
    }

    private func usable() throws(NATSConnection.Failure) -> NATSLine {
        let found = line.withLock { line -> Result<NATSLine, NATSConnection.Failure> in
            if let line, line.isUsable { return .success(line) }
            guard !left.isFull else {
                return .failure(Self.failure("connect: \(LinesLeft.maximum) connections hang in their TLS handshake"))
            }
            guard let thread = makeThread() else { return .failure(Self.failure("connect: no thread can be started")) }
            let made = NATSLine(endpoint, pending, thread, left: left)
            made.begin()
            line = made
            return .success(made)
        }
        return try found.get()
    }

    private static func failure(_ reason: String) -> NATSConnection.Failure {
        NATSConnection.Failure(.failure(TransportFailure(mayHaveArrived: false, reason: reason)))
    }
}
