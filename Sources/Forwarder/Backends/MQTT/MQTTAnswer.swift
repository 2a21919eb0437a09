import WALStore

/// Reads the reason codes of MQTT 5.0; in 3.1.1 an acknowledgement is code 0.
/// <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901124>
enum MQTTAnswer {
    /// Of a PUBACK, a PUBREC or a PUBCOMP.
    ///
    /// - Parameter needsSubscriber: a message that nobody was subscribed to is not kept by anybody, and so not delivered.
    static func outcome(ofPublish code: Int32, needsSubscriber: Bool) -> DeliveryOutcome {
        switch code {
        case 0x00: .delivered
        case 0x10:
            needsSubscriber ? .retry(after: nil, reason: "0x10: nobody is subscribed, nobody keeps it") : .delivered
        // Nobody but an operator can change the topic, or who may publish there.
        case 0x87: .hold(reason: "0x87: not authorised to publish to this topic")
        case 0x90: .hold(reason: "0x90: the broker does not take this topic")
        // Of a limit that it does not name when it is connected to.
        case 0x95: .tooLarge(limitBytes: nil)
        case 0x99:
            .refused(
                DeadLetterReason(code: "refused", excerpt: "payload format invalid", status: 0x99),
                meansAlreadyThere: false)
        default: .retry(after: nil, reason: "\(hex(code)): \(words(code))")
        }
    }

    /// Of a CONNACK that is no success: whether it passes by itself.
    static func answer(toConnect code: Int32, _ version: MQTTEndpoint.Version) -> Answer {
        let passing: Set<Int32> = version == .v5 ? [0x80, 0x83, 0x88, 0x89, 0x97, 0x9F] : [3]
        let reason = "the broker refuses the connection, \(hex(code)): \(version == .v5 ? words(code) : words311(code))"
        return passing.contains(code)
            ? .failure(TransportFailure(mayHaveArrived: false, reason: reason)) : .said(.hold(reason: reason))
    }

    private static func hex(_ code: Int32) -> String {
        let digits = String(UInt8(truncatingIfNeeded: code), radix: 16, uppercase: true)
        return "0x" + (digits.utf8.count < 2 ? "0" : "") + digits
    }

    private static func words311(_ code: Int32) -> String {
        switch code {
        case 1: "unacceptable protocol version"
        case 2: "client id rejected"
        case 3: "server unavailable"
        case 4: "bad user name or password"
        case 5: "not authorised"
        default: "not understood"
        }
    }

    private static func words(_ code: Int32) -> String {
        switch code {
        case 0x80: "unspecified error"
        case 0x83: "implementation specific error"
        case 0x84: "unsupported protocol version"
        case 0x85: "client id not valid"
        case 0x86: "bad user name or password"
        case 0x87: "not authorised"
        case 0x88: "server unavailable"
        case 0x89: "server busy"
        case 0x8A: "banned"
        case 0x91: "packet id in use"
        case 0x92: "packet id not found"
        case 0x97: "quota exceeded"
        case 0x9F: "connection rate exceeded"
        default: "not understood"
        }
    }
}
