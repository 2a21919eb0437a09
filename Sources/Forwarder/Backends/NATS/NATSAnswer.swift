import Metrics

/// Reads what JetStream says of a message: a PubAck, or an error.
/// <https://docs.nats.io/reference/reference-protocols/nats_api_reference>, numbers: nats-server server/errors.json.
enum NATSAnswer {
    private static let maximumBytes = 64 << 10

    /// Status 503: nobody listens on the subject. No stream has it, JetStream is off, or the stream has no leader.
    static let noResponders = DeliveryOutcome.retry(
        after: nil, reason: "503: no stream takes this subject, or it has no leader")

    static func outcome(of body: UnsafeRawBufferPointer) -> DeliveryOutcome {
        guard body.count <= maximumBytes, let answer = try? JSONValue.parse(body, depth: 8, values: 256),
            answer.object != nil
        else { return notUnderstood(body) }
        if let error = answer["error"] { return outcome(of: error) }
        // `duplicate` says that it was there before: it is there.
        guard answer["stream"]?.string?.isEmpty == false, let sequence = answer["seq"]?.int, sequence > 0 else {
            return notUnderstood(body)
        }
        return .delivered
    }

    /// Whoever else listens on the subject may answer first, and a stream then took the message or not.
    private static func notUnderstood(_ body: UnsafeRawBufferPointer) -> DeliveryOutcome {
        .hold(reason: "no acknowledgement of a stream: \(Excerpt.of(body, bytes: 256))")
    }

    private static func outcome(of error: JSONValue) -> DeliveryOutcome {
        let code = error["code"]?.int ?? 0
        let number = error["err_code"]?.int ?? 0
        let reason = "\(code) (\(number)): \(Excerpt.of(Array((error["description"]?.string ?? "").utf8), bytes: 256))"
        switch number {
        // Larger than the stream's max_msg_size.
        case 10054: return .tooLarge(limitBytes: nil)
        // Another stream has the subject, there is none, it is sealed, JetStream is off or not for this account.
        case 10060, 10059, 10109, 10076, 10039, 10035: return .hold(reason: reason)
        // No memory, no disk, a full stream with `discard: new`, no leader, the same id under way, too much under way.
        case 10047, 10028, 10077, 10008, 10023, 10009, 10118, 10194, 10158, 10210, 10211:
            return .retry(after: nil, reason: reason)
        default: break
        }
        // Nothing there looks at the points: what is refused for good is for an operator.
        return (400..<500).contains(code) && code != 429 && code != 408 && code != 409
            ? .hold(reason: reason) : .retry(after: nil, reason: reason)
    }
}
