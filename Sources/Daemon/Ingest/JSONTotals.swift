import Metrics
import WALStore

/// What became of a JSON body so far, and how the sender is told.
struct JSONTotals: Sendable {
    /// Lines that are on disk, or set aside with a row on disk; blank ones included.
    var committedLines = 0
    var acceptedPoints = 0
    var droppedPoints = 0
    var refusals = RefusalTally()

    mutating func add(_ receipt: AppendReceipt, _ refused: RefusalTally, lines: Int) {
        committedLines += lines
        acceptedPoints += receipt.storedPoints
        droppedPoints += receipt.droppedPoints
        refusals.merge(refused)
    }

    /// 200 when anything was stored, or nothing was wrong; 400 when all of it was refused.
    func reply(isStream: Bool) -> Reply {
        var reply: Reply
        if acceptedPoints == 0, droppedPoints == 0, !refusals.isEmpty {
            let first = refusals.first.first
            let place = first?.line.map { "line \($0): " } ?? ""
            reply = failure(
                .problem(400, "nothing could be stored; \(place)\(first?.detail ?? "")"), isStream: isStream)
        } else {
            let text = members(isStream: isStream).map { "\(JSONText.quoted($0.name)):\($0.json)" }
            reply = .json(200, Array("{\(text.joined(separator: ","))}\n".utf8))
        }
        if !refusals.isEmpty { reply.headers.append((Reply.refusedPointsHeader, String(refusals.totalPoints))) }
        reply.tell(droppedPoints: droppedPoints)
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
        members.append(("rejected", String(refusals.totalPoints)))
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
