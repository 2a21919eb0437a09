/// Where an HTTP backend is and how it is spoken to: the keys that all of them share.
///
/// `url`, `headers`, `basic_auth: { username, password }`, `bearer_token`, `aws_sigv4`, `tls: { ca_file, cert_file, key_file,
/// server_name, insecure_skip_verify, min_version }`, `timeout`, `connect_timeout`, `proxy`.
struct HTTPEndpoint: Sendable {
    enum MinimumTLS: String, CaseIterable {
        case tls12 = "1.2"
        case tls13 = "1.3"
    }

    var url: String
    var headers: [(name: String, value: String)]
    var authentication: HTTPRequest.Authentication
    var tls: TLSOptions
    var timeout: Duration
    var connectTimeout: Duration
    var proxy: String?

    /// - Parameters:
    ///   - reserved: headers that the protocol sets, in lower case; the config may not.
    ///   - usual: the address where the config names none.
    init(_ settings: Settings, reserved: Set<String>, usual: String? = nil) throws(SettingsError) {
        if let usual, !settings.has("url") {
            try self.init(url: usual, settings, reserved: reserved)
        } else {
            try self.init(url: try Self.address(settings, "url"), settings, reserved: reserved)
        }
    }

    /// One for each address that `key` lists; they have the other keys in common.
    static func list(
        _ settings: Settings, _ key: String, reserved: Set<String>
    ) throws(SettingsError) -> [HTTPEndpoint] {
        var all: [HTTPEndpoint] = []
        for text in try settings.strings(key) {
            let url = try address(text, named: settings.name(of: key), line: settings.line(of: key))
            all.append(try HTTPEndpoint(url: url, settings, reserved: reserved))
        }
        return all
    }

    private init(url: String, _ settings: Settings, reserved: Set<String>) throws(SettingsError) {
        self.url = url
        headers = try Self.headers(settings, reserved: reserved)
        authentication = try Self.authentication(settings)
        tls = try Self.tls(settings)
        timeout = try Self.positive(settings, "timeout", default: .seconds(30))
        connectTimeout = try Self.positive(settings, "connect_timeout", default: .seconds(10))
        proxy = settings.has("proxy") ? try Self.address(settings, "proxy") : nil
    }

    /// What stands behind `url` to name `path` below it: one slash between the two, whether or not `url` ends in one.
    ///
    /// - Parameter path: without a slash in front.
    func path(_ path: String) -> String { (url.hasSuffix("/") ? "" : "/") + path }

    /// Refuses a `url` with a query, for backends that put paths behind it.
    ///
    /// - Parameter owner: whose address it is, for people: `the server's`.
    func refuseQuery(_ settings: Settings, in owner: String) throws(SettingsError) {
        guard url.contains("?") else { return }
        throw SettingsError(
            "\(settings.name(of: "url")) must be \(owner) address without a query", line: settings.line(of: "url"))
    }

    /// A POST of `body` to `url` plus `path`, with the config's headers after those of the protocol.
    func post(
        _ body: [UInt8], to path: String = "", headers protocolHeaders: [(name: String, value: String)],
        maximumResponseBytes: Int = 64 << 10
    ) -> HTTPRequest {
        HTTPRequest(
            .post, url + path, headers: protocolHeaders + headers, body: body, timeout: timeout,
            connectTimeout: connectTimeout, tls: tls, authentication: authentication, proxy: proxy,
            maximumResponseBytes: maximumResponseBytes)
    }

    // MARK: Reading

    private static func address(_ settings: Settings, _ key: String) throws(SettingsError) -> String {
        try address(try settings.required(key), named: settings.name(of: key), line: settings.line(of: key))
    }

    private static func address(_ text: String, named name: String, line: Int) throws(SettingsError) -> String {
        guard text.hasPrefix("http://") || text.hasPrefix("https://") else {
            throw SettingsError("\(name) must begin with http:// or https://", line: line)
        }
        guard text.utf8.allSatisfy({ $0 > 32 && $0 != 127 }) else {
            throw SettingsError("\(name) has a blank or a control character in it", line: line)
        }
        let authority = text.drop { $0 != ":" }.dropFirst(3).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !authority.isEmpty else { throw SettingsError("\(name) names no host", line: line) }
        guard !authority.contains("@") else {
            throw SettingsError("\(name) must not carry a user: use basic_auth", line: line)
        }
        guard let port = Self.port(of: authority) else { return text }
        guard port.utf8.allSatisfy({ (48...57).contains($0) }), UInt16(port) ?? 0 > 0 else {
            throw SettingsError("\(name): \"\(port)\" is not a port from 1 to 65535", line: line)
        }
        return text
    }

    /// What stands behind the host's colon; nil without one. The colons of `[::1]` are the host's.
    private static func port(of authority: Substring) -> Substring? {
        let host = authority.lastIndex(of: "]") ?? authority.startIndex
        return authority[host...].lastIndex(of: ":").map { authority[authority.index(after: $0)...] }
    }

    private static func headers(
        _ settings: Settings, reserved: Set<String>
    ) throws(SettingsError) -> [(name: String, value: String)] {
        var all: [(name: String, value: String)] = []
        for (name, value) in try settings.pairs("headers") {
            let place = "\(settings.name(of: "headers")).\(name)"
            let line = settings.line(of: "headers")
            guard HTTPRequest.isHeader(name: name, value: value) else {
                throw SettingsError("\(place) is no HTTP header", line: line)
            }
            let lower = name.lowercased()
            if lower == "authorization" {
                throw SettingsError("\(place): credentials belong in basic_auth or bearer_token", line: line)
            }
            guard !reserved.contains(lower), !alwaysReserved.contains(lower) else {
                throw SettingsError("\(place) is set by the protocol and cannot be changed", line: line)
            }
            guard !all.contains(where: { $0.name.lowercased() == lower }) else {
                throw SettingsError("\(place) is there twice", line: line)
            }
            all.append((name, value))
        }
        return all
    }

    /// What frames a message belongs to libcurl. RFC 9110 section 7.6.1, RFC 9112 section 6.
    private static let alwaysReserved: Set<String> = [
        "connection", "content-encoding", "content-length", "content-type", "expect", "host", "te", "transfer-encoding",
        "upgrade", "user-agent", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token",
    ]

    /// - Parameter lower: the name of a header in lower case.
    static func isReserved(_ lower: String, _ reserved: Set<String>) -> Bool {
        reserved.contains(lower) || alwaysReserved.contains(lower) || lower == "authorization"
    }

    static func tls(_ settings: Settings) throws(SettingsError) -> TLSOptions {
        guard let section = try settings.section("tls") else { return TLSOptions() }
        var options = TLSOptions()
        options.caFile = try section.string("ca_file")
        options.certFile = try section.string("cert_file")
        options.keyFile = try section.string("key_file")
        options.serverName = try section.string("server_name")
        options.insecureSkipVerify = try section.bool("insecure_skip_verify", default: false)
        options.minimumVersion = try section.choice("min_version", default: MinimumTLS.tls12) == .tls12 ? .v1_2 : .v1_3
        if (options.certFile == nil) != (options.keyFile == nil) {
            throw SettingsError("\(section.path): cert_file and key_file go together", line: section.line)
        }
        return options
    }

    /// A time that ends: above 0, an hour at most.
    static func positive(
        _ settings: Settings, _ key: String, default fallback: Duration
    ) throws(SettingsError) -> Duration {
        let value = try settings.duration(key) ?? fallback
        guard value > .zero, value <= .seconds(3600) else {
            throw SettingsError(
                "\(settings.name(of: key)) must be above 0 and at most 1h", line: settings.line(of: key))
        }
        return value
    }
}

extension BackendTraits {
    /// These, with what the config says: `max_points`, `max_body_size`, `max_raw_size` where that is limited too,
    /// `requests_per_second`, `bytes_per_second`, and `concurrency` where order allows it.
    func overridden(by settings: Settings) throws(SettingsError) -> BackendTraits {
        var traits = self
        traits.maximumPoints = try settings.int("max_points", default: maximumPoints, in: 1...1_000_000)
        if let size = try settings.size("max_body_size") {
            guard (1 << 10...1 << 30).contains(size) else {
                throw SettingsError(
                    "\(settings.name(of: "max_body_size")) must lie between 1KiB and 1GiB",
                    line: settings.line(of: "max_body_size"))
            }
            traits.maximumBodyBytes = size
        }
        if settings.has("requests_per_second") {
            traits.requestsPerSecond = try settings.int("requests_per_second", default: 1, in: 1...1_000_000)
        }
        if let size = try settings.size("bytes_per_second") {
            guard (1 << 10...1 << 40).contains(size) else {
                throw SettingsError(
                    "\(settings.name(of: "bytes_per_second")) must lie between 1KiB and 1TiB",
                    line: settings.line(of: "bytes_per_second"))
            }
            traits.bytesPerSecond = size
        }
        if maximumRawBytes < .max, let size = try settings.size("max_raw_size") {
            guard (1 << 10...1 << 30).contains(size) else {
                throw SettingsError(
                    "\(settings.name(of: "max_raw_size")) must lie between 1KiB and 1GiB",
                    line: settings.line(of: "max_raw_size"))
            }
            traits.maximumRawBytes = size
        }
        if !keepsOrder || concurrency > 1 {
            traits.concurrency = try settings.int("concurrency", default: concurrency, in: 1...64)
        }
        return traits
    }
}
