import WALStore

/// The one session of a backend, on a thread of its own: connecting blocks, and the shared pool must not.
actor MQTTClient {
    private let executor = ThreadExecutor()
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let endpoint: MQTTEndpoint
    private let pending = PendingAnswers()
    private let replies: MQTTReplies
    private var session: MQTTSession?
    /// Of the last connection that could not be opened: when that was known, boot clock, nanoseconds.
    private var failure: (at: Int64, answer: Answer)?

    init(_ endpoint: MQTTEndpoint, quality: Int32, needsSubscriber: Bool) {
        self.endpoint = endpoint
        replies = MQTTReplies(pending, quality: quality, needsSubscriber: needsSubscriber)
    }

    /// The reading thread holds the session until it sees this.
    deinit {
        pending.close()
        executor.stop()
    }

    /// Returns with the broker's answer, or at the timeout.
    nonisolated func publish(_ message: MQTTMessage) async -> Answer {
        let askedAt = TimeSource.system.boot()
        return await pending.answer(within: endpoint.timeout) { attempt in
            executor.submit { self.assumeIsolated { $0.send(message, attempt, askedAt) } }
        }
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
        if let session {
            if let answer = session.connect() { return answer }
            session.read()
            return nil
        }
        let answer = begin(isClean: false)
        guard answer == nil, replies.connack?.isSessionPresent == true else {
            if answer == nil { session?.read() } else { session = nil }
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
        session?.read()
        return nil
    }

    private func begin(isClean: Bool) -> Answer? {
        session = MQTTSession(endpoint, replies, isClean: isClean)
        guard let session else {
            return .failure(TransportFailure(mayHaveArrived: false, reason: "libmosquitto has no memory"))
        }
        return session.connect()
    }
}
