import Metrics
import WALStore

/// Reads the Metric API's answer.
/// <https://github.com/newrelic/newrelic-telemetry-sdk-specs/blob/master/communication.md>
enum NewRelicAnswer {
    static func outcome(of response: HTTPResponse, now: Int64) -> DeliveryOutcome {
        switch response.status {
        case 202 where requestID(response) != nil: .delivered
        case 200...299:
            .hold(
                reason:
                    "HTTP \(response.status) without a requestId is no answer of New Relic\(HTTPOutcome.said(response))"
            )
        case 400: HTTPOutcome.refused(response)
        case 408, 413, 429: HTTPOutcome.of(response, now: now)
        // Key, address, method, headers: the same for all points.
        case 401, 403, 404, 405, 407, 409, 410, 411, 414, 415, 431:
            .hold(reason: "HTTP \(response.status)\(HTTPOutcome.said(response))")
        case 402, 406: HTTPOutcome.of(response, now: now)
        case 400...499: HTTPOutcome.retry(response, now: now)
        default: HTTPOutcome.of(response, now: now)
        }
    }

    /// The id that New Relic's own events name the request by; nil where there is none of sound form.
    static func requestID(_ response: HTTPResponse) -> String? {
        guard let document = try? JSONValue.parse(response.body, depth: 4, values: 64),
            let id = document["requestId"]?.string, !id.isEmpty, id.utf8.count <= 64,
            id.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || ($0 >= 48 && $0 < 58) || ($0 | 32 >= 97 && $0 | 32 < 123) })
        else { return nil }
        return id
    }
}
