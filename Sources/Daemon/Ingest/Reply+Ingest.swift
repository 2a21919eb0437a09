import Metrics
import WALStore

extension Reply {
    /// How many points were set aside as invalid while the rest was stored.
    static let refusedPointsHeader = "X-Holdfast-Refused-Points"
    /// How many valid points were not stored because the tenant asked for `when_full: drop_newest`, and its spool is full.
    static let droppedPointsHeader = "X-Holdfast-Dropped"

    /// What the request stores was stored by an earlier sending of it.
    static let repeatHeader = (name: "Idempotent-Replayed", value: "true")

    /// A success that stores nothing has to say so: the protocols have no word for it.
    mutating func tell(droppedPoints: Int) {
        if droppedPoints > 0 { headers.append((Reply.droppedPointsHeader, String(droppedPoints))) }
    }
    mutating func tell(_ receipt: AppendReceipt) {
        tell(droppedPoints: receipt.droppedPoints)
        if receipt.isRepeat { headers.append(Reply.repeatHeader) }
    }

    /// An undecodable body: nothing of it is stored. 413 ends the connection, as every 413 does.
    static func undecodable(_ error: WireError) -> Reply {
        switch error.code {
        case .malformed: return .problem(error)
        case .tooLarge: return .closing(.problem(413, error.description))
        }
    }

    private static func problem(_ error: WireError) -> Reply {
        var problem = Problem(status: 400, detail: error.description)
        if let line = error.line { problem.members.append(("line", String(line))) }
        if let offset = error.offset { problem.members.append(("offset", String(offset))) }
        return Reply(status: 400, body: .problem(problem))
    }

    /// Nothing is acknowledged. Everything but a request that no retry will fit asks the sender to come back.
    static func failed(_ error: SpoolError) -> Reply {
        switch error.code {
        case .tooLarge: return .closing(.problem(413, error.message))
        case .outOfStep: return .problem(409, error.message)
        case .otherRequest: return .problem(422, error.message)
        case .full: return .problem(503, error.message, retryAfterSeconds: 30)
        case .closing: return .problem(503, "the server is shutting down; send it again", retryAfterSeconds: 5)
        case .commitFailed, .unreadable, .incompatible, .unavailable, .misuse:
            return .problem(503, "the request was not stored: \(error.message); send it again", retryAfterSeconds: 5)
        }
    }
}
