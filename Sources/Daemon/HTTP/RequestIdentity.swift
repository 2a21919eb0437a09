/// What follows a request through receipt, log and answer.
enum RequestIdentity {
    static let maximumIDBytes = 128

    /// The sender's `X-Request-Id` when it is short and made of harmless characters (it is stored, logged and sent
    /// back), else a random one.
    static func requestID(_ given: String?) -> String {
        guard let given, (1...maximumIDBytes).contains(given.utf8.count), given.utf8.allSatisfy(isHarmless) else {
            return hex(UInt64.random(in: 0 ... .max)) + hex(UInt64.random(in: 0 ... .max))
        }
        return given
    }

    private static func isHarmless(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): return true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return true
        default: return "-_.:/+=@".utf8.contains(byte)
        }
    }

    /// The sender's `traceparent` when it is well formed, else a new, unsampled one.
    /// <https://www.w3.org/TR/trace-context/#traceparent-header>
    static func traceParent(_ given: String?) -> String {
        if let given, isTraceParent(given) { return given }
        let trace = hex(UInt64.random(in: 1 ... .max)) + hex(UInt64.random(in: 0 ... .max))
        return "00-\(trace)-\(hex(UInt64.random(in: 1 ... .max)))-00"
    }

    static func isTraceParent(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count == 55, parts.count == 4, parts.map(\.utf8.count) == [2, 32, 16, 2] else { return false }
        let isHex = parts.allSatisfy { part in
            part.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
        }
        // Version ff is forbidden; an all-zero trace or span id means none.
        return isHex && parts[0] != "ff" && parts[1].contains { $0 != "0" } && parts[2].contains { $0 != "0" }
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
