import Metrics
import WALStore

/// Reads an HEC answer: the code in the body says more than the status, as 400 is for a wrong index and for a bad event alike.
/// <https://docs.splunk.com/Documentation/Splunk/latest/Data/TroubleshootHTTPEventCollector#Possible_error_codes>
struct SplunkAnswer: Sendable, Equatable {
    /// nil where the body is no HEC answer.
    var code: Int?
    /// The first bad event, counted from 0.
    var invalidEvent: Int?
    var ackID: Int64?

    init(_ response: HTTPResponse) {
        guard !response.isCut, let document = try? JSONValue.parse(response.body, depth: 8, values: 256) else { return }
        code = document["code"]?.int.flatMap { Int(exactly: $0) }
        invalidEvent = document["invalid-event-number"]?.int.flatMap { Int(exactly: $0) }
        ackID = document["ackId"]?.int
    }

    /// - Parameter sendsHeadAgain: whether the events before the bad one are held not to be indexed.
    static func outcome(
        of response: HTTPResponse, to items: [[LeasedRun]], sendsHeadAgain: Bool, now: Int64
    ) -> DeliveryOutcome {
        let answer = SplunkAnswer(response)
        switch (response.status, answer.code) {
        case (200...299, 0): return .delivered
        case (200...299, _):
            return .hold(
                reason: "HTTP \(response.status) with a body that is no HEC success\(HTTPOutcome.said(response))")
        // Tokens, channels, acknowledgement, the index: the same for every event.
        case (400...499, 1), (400...499, 2), (400...499, 3), (400...499, 4), (400...499, 7), (400...499, 10),
            (400...499, 11), (400...499, 14), (400...499, 16):
            return .hold(reason: "HTTP \(response.status)\(HTTPOutcome.said(response))")
        // Busy, shutting down, queues or channels at capacity.
        case (400...499, 9), (400...499, 23), (400...499, 26), (400...499, 27):
            return HTTPOutcome.retry(response, now: now)
        case (400, 6), (400, 12), (400, 13), (400, 15):
            return answer.refused(response, items, sendsHeadAgain: sendsHeadAgain)
        default: return HTTPOutcome.of(response, now: now)
        }
    }

    /// The event that is named is dead; nothing is known against the others, so they go out again without it.
    private func refused(_ response: HTTPResponse, _ items: [[LeasedRun]], sendsHeadAgain: Bool) -> DeliveryOutcome {
        guard var index = invalidEvent, items.indices.contains(index) else { return HTTPOutcome.refused(response) }
        // A further event of a point with several.
        while index > 0, items[index].isEmpty { index -= 1 }
        guard !items[index].isEmpty else { return HTTPOutcome.refused(response) }
        let reason = DeadLetterReason(
            code: "refused", excerpt: Excerpt.of(response.body), status: response.status)
        var outcomes = [ItemOutcome(runs: items[index], verdict: .dead(reason))]
        let others = (sendsHeadAgain ? items[..<index] : []) + items[(index + 1)...]
        let again = others.flatMap { $0 }
        if !again.isEmpty { outcomes.append(ItemOutcome(runs: again, verdict: .again)) }
        return .partly(outcomes)
    }
}
