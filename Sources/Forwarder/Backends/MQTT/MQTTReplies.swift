import Synchronization

/// What a session knows of its messages, and what its callbacks change: from any thread.
///
/// A message stays the session's until it is acknowledged, whatever becomes of the attempt that sent it: the library sends it
/// again after a reconnection, with the same packet id. An attempt with the same id is then that message's, and not another
/// message.
final class MQTTReplies: Sendable {
    private struct Message {
        var packet: Int32
        /// Who waits for it; the number may be of an attempt that is over.
        var attempt: UInt64?
        /// The broker lost the session on the way: the end of a handshake that it does not remember proves nothing.
        var isDoubtful = false
        /// Attempts that have waited for it over the connection at hand.
        var waits = 1
    }

    struct Connack: Sendable {
        var code: Int32
        var isSessionPresent: Bool
        /// nil: no limit was said.
        var maximumPacket: UInt32?
        var maximumQuality: UInt8
    }

    private struct State {
        /// Of the connection at hand, once it has one.
        var connack: Connack?
        /// A thread reads from the connection.
        var isLooping = false
        var messages: [String: Message] = [:]
        var ids: [Int32: String] = [:]
        /// Answers to packets that were answered before their id was noted.
        var early: [Int32: Int32] = [:]
        /// Something was acknowledged over the connection at hand.
        var hasAcknowledged = false
        /// Connections in a row that ended with messages unacknowledged, and nothing acknowledged.
        var barrenConnections = 0
        /// Delivered while nobody waited, oldest first.
        var delivered: [String] = []
    }

    /// Beyond it nothing new is sent: what is in a session is in memory until it is acknowledged.
    static let maximumMessages = 256
    /// As many are remembered as delivered when nobody asked.
    private static let maximumDelivered = 1024
    /// A broker that leaves a message unacknowledged for so many attempts is left: it gets it again over another connection,
    /// and over a living one it must not. [MQTT-4.4.0-1]
    private static let maximumWaits = 3
    /// A broker that hangs up over a message gets it again first of all over the next connection, and nothing behind it: after so
    /// many in a row the session is given up with all that is in it.
    private static let maximumBarrenConnections = 3

    private let state = Mutex(State())
    let pending: PendingAnswers
    private let quality: Int32
    private let needsSubscriber: Bool

    init(_ pending: PendingAnswers, quality: Int32, needsSubscriber: Bool) {
        self.pending = pending
        self.quality = quality
        self.needsSubscriber = needsSubscriber
    }

    // MARK: The connection

    /// nil until the broker has answered.
    var connack: Connack? { state.withLock { $0.connack } }
    var isUp: Bool { state.withLock { $0.connack?.code == 0 && $0.isLooping } }

    /// - Returns: false while a thread still reads from the last connection.
    func begins() -> Bool {
        state.withLock { state in
            guard !state.isLooping else { return false }
            state.connack = nil
            return true
        }
    }

    func connected(_ connack: Connack) {
        state.withLock { state in
            state.connack = connack
            state.hasAcknowledged = false
            guard connack.code == 0, !connack.isSessionPresent else { return }
            for id in state.messages.keys { state.messages[id]?.isDoubtful = true }
        }
    }

    func loops(_ isLooping: Bool) { state.withLock { $0.isLooping = isLooping } }

    /// Everything that left may have arrived; it stays the session's.
    func disconnected(over connection: UInt, _ reason: String) {
        state.withLock { state in
            // Why it was refused stays to be read.
            if state.connack?.code == 0 {
                state.connack = nil
                if !state.hasAcknowledged, !state.messages.isEmpty { state.barrenConnections += 1 }
            }
            for id in state.messages.keys {
                state.messages[id]?.attempt = nil
                state.messages[id]?.waits = 0
            }
        }
        pending.endAll(over: connection, .failure(TransportFailure(mayHaveArrived: true, reason: reason)))
    }

    /// What is in the session keeps it from getting anywhere.
    var isStuck: Bool { state.withLock { $0.barrenConnections >= Self.maximumBarrenConnections } }

    /// The session is given up. Its messages may have arrived, as their attempts were told.
    func forgetAll() {
        state.withLock { state in
            (state.messages, state.ids, state.early) = ([:], [:], [:])
            state.barrenConnections = 0
        }
    }

    // MARK: Messages

    enum Standing { case new, known, overdue, delivered, noRoom }

    /// Whether a message is to be sent. One that is the session's already is this attempt's from now on.
    func standing(of id: String, for attempt: UInt64) -> Standing {
        state.withLock { state in
            if let index = state.delivered.firstIndex(of: id) {
                state.delivered.remove(at: index)
                return .delivered
            }
            if let message = state.messages[id] {
                if message.waits >= Self.maximumWaits { return .overdue }
                state.messages[id]?.attempt = attempt
                state.messages[id]?.waits += 1
                return .known
            }
            return state.messages.count < Self.maximumMessages ? .new : .noRoom
        }
    }

    /// The library has the message, under a packet id.
    func sent(_ id: String, as packet: Int32, for attempt: UInt64) {
        let early = state.withLock { state in
            state.messages[id] = Message(packet: packet, attempt: attempt)
            state.ids[packet] = id
            return state.early.removeValue(forKey: packet)
        }
        if let early { acknowledged(packet, early) }
    }

    func acknowledged(_ packet: Int32, _ code: Int32) {
        let found = state.withLock { state -> (id: String, message: Message)? in
            guard let id = state.ids.removeValue(forKey: packet), let message = state.messages.removeValue(forKey: id)
            else {
                state.early[packet] = code
                return nil
            }
            (state.hasAcknowledged, state.barrenConnections) = (true, 0)
            return (id, message)
        }
        guard let (id, message) = found else { return }
        // A handshake whose end was lost is not known there any more: it has ended.
        let code = quality == 2 && code == 0x92 ? 0 : code
        let answer: Answer =
            message.isDoubtful && quality == 2
            ? .failure(TransportFailure(mayHaveArrived: true, reason: "the broker lost the session on the way"))
            : .said(MQTTAnswer.outcome(ofPublish: code, needsSubscriber: needsSubscriber))
        if let attempt = message.attempt, pending.end(attempt, answer) { return }
        guard answer == .said(.delivered) else { return }
        state.withLock { state in
            if state.delivered.count >= Self.maximumDelivered { state.delivered.removeFirst() }
            state.delivered.append(id)
        }
    }
}
