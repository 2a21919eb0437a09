import Forwarder

/// What a request shows to prove who it is.
enum Credential: Sendable, Hashable {
    case none
    case token(String)
    case user(String, password: String)
    /// There is an `Authorization` header that we cannot read.
    case unreadable

    /// Reads `Authorization`: `Bearer`, `Basic`, and InfluxDB's `Token` (a token, or `user:password`), or else InfluxDB
    /// version 1's parameters `u` and `p`.
    /// <https://docs.influxdata.com/influxdb/v1/administration/authentication_and_authorization/>
    init(of head: RequestHead, allowingParameters: Bool = false) {
        guard let header = head.header("authorization") else {
            if allowingParameters, let password = head.parameter("p") {
                self = .user(head.parameter("u") ?? "", password: password)
            } else {
                self = .none
            }
            return
        }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else {
            self = .unreadable
            return
        }
        let rest = parts[1].drop { $0 == " " }
        switch parts[0].lowercased() {
        case "bearer": self = .token(String(rest))
        case "token":
            self = rest.contains(":") ? Credential(pair: String(rest)) : .token(String(rest))
        case "basic":
            guard let decoded = Base64.decode(rest), let text = String(validating: decoded, as: UTF8.self) else {
                self = .unreadable
                return
            }
            self = Credential(pair: text)
        default: self = .unreadable
        }
    }

    /// The user's name ends at the first colon (RFC 7617, 2).
    private init(pair: String) {
        guard let colon = pair.firstIndex(of: ":") else {
            self = .unreadable
            return
        }
        self = .user(String(pair[..<colon]), password: String(pair[pair.index(after: colon)...]))
    }
}

/// <https://www.rfc-editor.org/rfc/rfc4648#section-4>
enum Base64 {
    /// nil for characters outside the alphabet or a length that no encoder makes.
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        for character in text.utf8 {
            if character == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = value(of: character) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 1
            if count % 4 == 0 {
                bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
                bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
                bytes.append(UInt8(truncatingIfNeeded: bits))
                bits = 0
            }
        }
        switch count % 4 {
        case 0: return padding == 0 ? bytes : nil
        case 2:
            bytes.append(UInt8(truncatingIfNeeded: bits >> 4))
            return padding == 0 || padding == 2 ? bytes : nil
        case 3:
            bytes.append(UInt8(truncatingIfNeeded: bits >> 10))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 2))
            return padding <= 1 ? bytes : nil
        default: return nil
        }
    }

    private static func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): return character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): return character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): return 62
        case UInt8(ascii: "/"): return 63
        default: return nil
        }
    }
}
