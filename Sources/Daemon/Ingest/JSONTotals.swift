import Metrics
import WALStore

/// What became of a JSON body so far, and how the sender is told.
struct JSONTotals: Sendable {
    /// Lines that are on disk, or set aside with a row on disk; blank ones included. Of a stream that the client named, all of
    /// its lines.
    var committedLines = 0
    var acceptedPoints = 0
    var droppedPoints = 0
    var refusedPoints = 0
    /// What this sending had refused.
    var refusals = RefusalTally()
    /// An earlier sending had stored all of it.
    var isRepeat = false

    /// Goes on from what an earlier sending had come to.
    mutating func begin(_ former: ResendProgress?) {
        guard let former else { return }
        committedLines = Int(former.committedLines)
        (acceptedPoints, refusedPoints) = (former.storedPoints, former.refusedPoints)
        droppedPoints = former.droppedPoints
    }

    mutating func add(_ receipt: AppendReceipt, _ refused: RefusalTally, lines: Int) {
        committedLines += lines
        acceptedPoints += receipt.storedPoints
        droppedPoints += receipt.droppedPoints
        refusedPoints += receipt.refusedPoints
        refusals.merge(refused)
        if receipt.isRepeat { isRepeat = true }
    }

    /// 200 when anything was stored, or nothing was wrong; 400 when all of it was refused.
    func reply(isStream: Bool) -> Reply {
        var reply: Reply
        if acceptedPoints == 0, droppedPoints == 0, refusedPoints > 0 {
            let first = refusals.first.first
            let place = first?.line.map { "line \($0): " } ?? ""
            let why = first.map { "; \(place)\($0.detail)" } ?? ""
            reply = failure(.problem(400, "nothing could be stored\(why)"), isStream: isStream)
        } else {
            let text = members(isStream: isStream).map { "\(JSONText.quoted($0.name)):\($0.json)" }
            reply = .json(200, Array("{\(text.joined(separator: ","))}\n".utf8))
        }
        if refusedPoints > 0 { reply.headers.append((Reply.refusedPointsHeader, String(refusedPoints))) }
        reply.tell(droppedPoints: droppedPoints)
        if isRepeat { reply.headers.append(Reply.repeatHeader) }
        return reply
    }

    /// `reply` with what was committed before it.
    func failure(_ reply: Reply, isStream: Bool) -> Reply {
        guard case .problem(var problem) = reply.body else { return reply }
        problem.members += members(isStream: isStream)
        var reply = reply
        reply.body = .problem(problem)
        return reply
    }

    private func members(isStream: Bool) -> [(name: String, json: String)] {
        var members: [(name: String, json: String)] = []
        if isStream { members.append(("committed_lines", String(committedLines))) }
        members.append(("accepted", String(acceptedPoints)))
        members.append(("rejected", String(refusedPoints)))
        if droppedPoints > 0 { members.append(("dropped", String(droppedPoints))) }
        if let line = refusals.first.compactMap(\.line).min() { members.append(("first_bad_line", String(line))) }
        let errors = refusals.first.map { refusal in
            let line = refusal.line.map { "\"line\":\($0)," } ?? ""
            return "{\(line)\"reason\":\"\(refusal.reason.rawValue)\",\"detail\":\(JSONText.quoted(refusal.detail))}"
        }
        members.append(("errors", "[\(errors.joined(separator: ","))]"))
        return members
    }
}
