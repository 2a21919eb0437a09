import WALStore

/// What works for a client, on a thread of its own: connecting blocks, and the shared pool must not.
actor MQTTConnector {
    private let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let endpoint: MQTTEndpoint
    private let pending: PendingAnswers
    private let replies: MQTTReplies
    private var session: MQTTSession?
    /// Of the last connection that could not be opened: when that was known, boot clock, nanoseconds.
    private var failure: (at: Int64, answer: Answer)?

    init(_ endpoint: MQTTEndpoint, _ replies: MQTTReplies, _ executor: ThreadExecutor) {
        self.endpoint = endpoint
        self.replies = replies
        self.executor = executor
        pending = replies.pending
    }

    deinit { executor.stop() }

    /// Does not block.
    nonisolated func publish(_ message: MQTTMessage, for attempt: UInt64, askedAt: Int64) {
        executor.submit { self.assumeIsolated { $0.send(message, attempt, askedAt) } }
    }

    private func send(_ message: MQTTMessage, _ attempt: UInt64, _ askedAt: Int64) {
        if let session, replies.isUp { return session.publish(message, for: attempt) }
        // Whoever waited while a connection failed would see the same, one after the other.
        if let failure, failure.at >= askedAt {
            pending.end(attempt, failure.answer)
            return
        }
        if let answer = connect() {
            failure = (TimeSource.system.boot(), answer)
            pending.end(attempt, answer)
            return
        }
        failure = nil
        session?.publish(message, for: attempt)
    }

    /// - Returns: nil when there is a connection.
    private func connect() -> Answer? {
        if session != nil, replies.isStuck {
            session = nil
            replies.forgetAll()
        }
        if let session {
            return session.connect() ?? session.read()
        }
        let answer = begin(isClean: false)
        guard answer == nil, replies.connack?.isSessionPresent == true else {
            if answer == nil { return session?.read() }
            session = nil
            return answer
        }
        // The broker knows packet ids of a process that is no more: a new message under one of them would pass for a copy.
        // [MQTT-3.2.2-5]
        for isClean in [true, false] {
            session?.disconnect()
            session = nil
            if let answer = begin(isClean: isClean) {
                session = nil
                return answer
            }
        }
        return session?.read()
    }

    private func begin(isClean: Bool) -> Answer? {
        session = MQTTSession(endpoint, replies, isClean: isClean)
        guard let session else {
            return .failure(TransportFailure(mayHaveArrived: false, reason: "libmosquitto has no memory"))
        }
        return session.connect()
    }
}
