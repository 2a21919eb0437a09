import Metrics

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
            guard let decoded = Array(rest.utf8).withUnsafeBytes({ Base64.decode($0) }),
                let text = String(validating: decoded, as: UTF8.self)
            else {
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
