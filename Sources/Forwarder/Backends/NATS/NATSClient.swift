import WALStore

/// The one connection of a backend, on a thread of its own: opening it and writing to it block, and the shared pool must not.
actor NATSClient {
    private let executor = ThreadExecutor()
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let endpoint: NATSEndpoint
    private let pending = PendingAnswers()
    private var connection: NATSConnection?
    /// Of the last connection that could not be opened: when that was known, boot clock, nanoseconds.
    private var failure: (at: Int64, answer: Answer)?

    init(_ endpoint: NATSEndpoint) { self.endpoint = endpoint }

    deinit { executor.stop() }

    /// Returns with the stream's answer, or at the timeout.
    nonisolated func publish(_ message: NATSMessage) async -> Answer {
        let askedAt = TimeSource.system.boot()
        return await pending.answer(within: endpoint.timeout) { attempt in
            executor.submit { self.assumeIsolated { $0.send(message, attempt, askedAt) } }
        }
    }

    private func send(_ message: NATSMessage, _ attempt: UInt64, _ askedAt: Int64) {
        if let connection, !connection.isClosed { return connection.publish(message, for: attempt) }
        connection = nil
        // Whoever waited while a connection failed would see the same, one after the other.
        if let failure, failure.at >= askedAt {
            pending.end(attempt, failure.answer)
            return
        }
        do throws(NATSConnection.Failure) {
            let opened = try NATSConnection(endpoint, pending)
            connection = opened
            failure = nil
            opened.publish(message, for: attempt)
        } catch {
            failure = (TimeSource.system.boot(), error.answer)
            pending.end(attempt, error.answer)
        }
    }
}
