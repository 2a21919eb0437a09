/// Where NATS servers are and how they are spoken to.
///
/// Keys: `url` (one, or a list of a cluster's), `basic_auth`, `token`, `credentials_file`, `tls`, `timeout`,
/// `connect_timeout`, `inbox_prefix`.
struct NATSEndpoint: Sendable {
    enum Authentication: Sendable {
        case none
        case login(BrokerLogin)
        case token(Secret)
        /// A file of a JWT and the seed that signs for it.
        case credentials(file: String)
    }

    let servers: [BrokerAddress]
    let authentication: Authentication
    /// nil: in the clear, unless the server insists.
    let tls: TLSOptions?
    /// From the call to the acknowledgement, a connection included.
    let timeout: Duration
    let connectTimeout: Duration
    /// What the subjects of acknowledgements begin with: the login must be allowed to subscribe below it.
    let inboxPrefix: String

    init(_ settings: Settings) throws(SettingsError) {
        servers = try BrokerAddress.list(settings, "url", plain: ("nats", 4222), secure: ("tls", 4222))
        authentication = try Self.authentication(settings)
        timeout = try HTTPEndpoint.positive(settings, "timeout", default: .seconds(10))
        connectTimeout = try HTTPEndpoint.positive(settings, "connect_timeout", default: .seconds(5))
        inboxPrefix = try settings.string("inbox_prefix") ?? "_INBOX"
        guard NATSJetStream.isSubject(inboxPrefix), !inboxPrefix.hasPrefix("$"), inboxPrefix.utf8.count <= 128 else {
            throw SettingsError(
                "\(settings.name(of: "inbox_prefix")): \"\(inboxPrefix)\" is no beginning of a subject",
                line: settings.line(of: "inbox_prefix"))
        }
        var options = try HTTPEndpoint.tls(settings)
        guard servers[0].isTLS || settings.has("tls") else {
            tls = nil
            return
        }
        // libnats has one name for all servers, and compares none unless it is told one.
        let hosts = Set(servers.map(\.host))
        options.serverName = options.serverName ?? (hosts.count == 1 ? hosts.first : nil)
        guard options.serverName != nil || options.insecureSkipVerify else {
            throw SettingsError(
                "\(settings.name(of: "tls")).server_name is missing: the servers have different names",
                line: settings.line(of: "url"))
        }
        guard options.minimumVersion == .v1_2 else {
            throw SettingsError(
                "\(settings.name(of: "tls")).min_version: libnats takes TLS 1.2 and 1.3, and cannot be told to refuse 1.2",
                line: settings.line(of: "tls"))
        }
        tls = options
    }

    private static func authentication(_ settings: Settings) throws(SettingsError) -> Authentication {
        let login = try BrokerLogin(settings)
        let token = try settings.secret("token")
        let file = try settings.string("credentials_file")
        guard [login != nil, token != nil, file != nil].count(where: { $0 }) <= 1 else {
            throw SettingsError(
                "\(settings.path): basic_auth, token and credentials_file exclude each other", line: settings.line)
        }
        if let login {
            try sendable(login.user, settings, "basic_auth.username")
            try sendable(login.password.reveal, settings, "basic_auth.password")
            return .login(login)
        }
        if let token {
            try sendable(token.reveal, settings, "token")
            return .token(try HTTPEndpoint.usable(token, settings, "token"))
        }
        guard let file else { return .none }
        guard file.hasPrefix("/") else {
            throw SettingsError(
                "\(settings.name(of: "credentials_file")) must be an absolute path",
                line: settings.line(of: "credentials_file"))
        }
        return .credentials(file: file)
    }

    /// libnats writes it between quotes as it is: it would end there, and what follows would be read as options.
    private static func sendable(_ text: String, _ settings: Settings, _ key: String) throws(SettingsError) {
        guard text.utf8.allSatisfy({ $0 >= 32 && $0 != 127 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") })
        else {
            throw SettingsError(
                "\(settings.name(of: key)): libnats cannot send a quote, a backslash or a control character",
                line: settings.line)
        }
    }
}
