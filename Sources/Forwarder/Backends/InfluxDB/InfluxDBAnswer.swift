import Metrics
import WALStore

/// Reads an InfluxDB's answer to a write.
///
/// What an answer says of single lines is believed, and what it does not say is never guessed at: a refusal that names no
/// lines has the points at fault looked for, which is safe, because a point that is written twice is one point.
/// <https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint>,
/// <https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/>,
/// <https://docs.influxdata.com/influxdb3/core/write-data/http-api/v3-write-lp/>
enum InfluxDBAnswer {
    /// 1.x and 2.x repeat each line that they cannot parse.
    static let maximumBytes = 8 << 20

    /// - Parameter body: of the request before compression; asked for when the answer speaks of lines.
    static func outcome(
        of response: HTTPResponse, to request: EncodedRequest, now: Int64, body: () -> [UInt8]?
    ) -> DeliveryOutcome {
        switch response.status {
        // Success is 204; 1.x says 200 with an error inside when it was asked something else than to write.
        case 200 where !response.body.isEmpty:
            .hold(reason: "HTTP 200 with a body is no answer to a write\(HTTPOutcome.said(response))")
        case 500 where Excerpt.holds(response.body, missingPolicyPhrases):
            .hold(reason: "HTTP 500: the retention policy is missing\(HTTPOutcome.said(response))")
        case 400, 422: refused(response, request, body) ?? HTTPOutcome.refused(response)
        default: HTTPOutcome.of(response, now: now)
        }
    }

    /// influxdb 1.x coordinator/points_writer.go: an unknown policy is a 500.
    private static let missingPolicyPhrases = ["retention policy not found"]

    /// - Returns: nil where the answer does not say which lines it refuses.
    private static func refused(
        _ response: HTTPResponse, _ request: EncodedRequest, _ body: () -> [UInt8]?
    ) -> DeliveryOutcome? {
        guard !response.isCut, request.lines.count > 0,
            let answer = try? JSONValue.parse(response.body, depth: 8, values: 16 + 8 * request.lines.count),
            let words = answer["error"]?.string ?? answer["message"]?.string, let body = body()
        else { return nil }
        let lines = InfluxDBLines(table: request.lines, body: body)
        let verdict =
            answer["data"].map { lines.listed($0) } ?? lines.unparsed(words) ?? lines.beyondRetention(words)
        return verdict.map { outcome($0, request.lines, status: response.status) }
    }

    private static func outcome(
        _ verdict: InfluxDBLines.Verdict, _ table: LineTable, status: Int
    ) -> DeliveryOutcome {
        var outcomes: [ItemOutcome] = []
        for group in verdict.refused {
            let reason = DeadLetterReason(
                code: "refused", excerpt: Excerpt.of(Array(group.words.utf8)), status: status)
            outcomes.append(ItemOutcome(runs: table.points(of: group.lines), verdict: .dead(reason)))
        }
        if !verdict.othersAreStored {
            let refused = Set(verdict.refused.flatMap(\.lines))
            let others = table.points(of: (0..<table.count).filter { !refused.contains($0) })
            if !others.isEmpty { outcomes.append(ItemOutcome(runs: others, verdict: .again)) }
        }
        return .partly(outcomes)
    }
}
