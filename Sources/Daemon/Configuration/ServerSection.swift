import Forwarder
import Metrics

/// `server:` where to listen, and what one sender may cost.
struct ServerSection: Sendable, Hashable {
    var listen: ListenAddress
    var listenLine: Int
    /// nil: `admin.sock` in the data folder.
    var admin: ListenAddress?
    /// Asked of every admin request that comes over TCP.
    var adminToken: Secret?
    var threads: Int
    var limits: Limits
    var timeouts: Timeouts

    static let defaultListen = "127.0.0.1:9009"

    struct Limits: Sendable, Hashable {
        var connections: Int
        var connectionsPerAddress: Int
        var headerBytes: Int
        /// As it comes over the wire.
        var bodyBytes: Int
        /// After decompression.
        var decodedBytes: Int
        var points: Int
        /// Requests between HTTP and disk, all tenants together.
        var ingestBytes: Int
    }

    struct Timeouts: Sendable, Hashable {
        var header: Duration
        var body: Duration
        var idle: Duration
        var answer: Duration
        /// From SIGTERM to the end: in-flight requests are answered and in-flight deliveries finished within it.
        var drain: Duration
    }

    init(_ settings: Settings) throws(SettingsError) {
        listenLine = settings.line(of: "listen")
        listen = try Self.address(settings, "listen", try settings.string("listen") ?? Self.defaultListen)
        if let text = try settings.string("admin") { admin = try Self.address(settings, "admin", text) }
        adminToken = try settings.secret("admin_token")
        threads = try settings.int("threads", default: 2, in: 1...64)
        limits = try Limits(try settings.section("limits") ?? Settings(empty: "server.limits"))
        timeouts = try Timeouts(try settings.section("timeouts") ?? Settings(empty: "server.timeouts"))
        guard let admin, case .tcp = admin else { return }
        guard admin.isLocal else {
            throw SettingsError(
                "server.admin: \(admin) can be reached from other machines; use a Unix socket or loopback",
                line: settings.line(of: "admin"))
        }
        guard adminToken?.reveal.isEmpty == false else {
            throw SettingsError(
                "server.admin over TCP needs server.admin_token (file:PATH or env:NAME)",
                line: settings.line(of: "admin"))
        }
    }

    private static func address(
        _ settings: Settings, _ key: String, _ text: String
    ) throws(SettingsError) -> ListenAddress {
        guard let address = ListenAddress(text) else {
            throw SettingsError(
                "server.\(key): \"\(text)\" is not an address such as 127.0.0.1:9009, [::1]:9009 or unix:/run/x.sock",
                line: settings.line(of: key))
        }
        return address
    }
}

extension ServerSection.Limits {
    init(_ settings: Settings) throws(SettingsError) {
        connections = try settings.int("connections", default: 1024, in: 1...65_536)
        connectionsPerAddress = try settings.int("connections_per_address", default: 512, in: 1...65_536)
        headerBytes = try settings.size("headers", default: 32 << 10, in: 1 << 10...1 << 20)
        bodyBytes = try settings.size("body", default: 32 << 20, in: 1 << 10...1 << 30)
        decodedBytes = try settings.size("decoded", default: 64 << 20, in: 1 << 10...1 << 30)
        points = try settings.int("points", default: 1_048_576, in: 1...1_048_576)
        ingestBytes = try settings.size("ingest_memory", default: 64 << 20, in: 1 << 20...16 << 30)
    }
}

extension ServerSection.Timeouts {
    init(_ settings: Settings) throws(SettingsError) {
        let range = Duration.milliseconds(100)...Duration.seconds(3600)
        header = try settings.duration("headers", default: .seconds(10), in: range)
        body = try settings.duration("body", default: .seconds(60), in: range)
        idle = try settings.duration("idle", default: .seconds(120), in: range)
        answer = try settings.duration("answer", default: .seconds(30), in: range)
        drain = try settings.duration("drain", default: .seconds(10), in: range)
    }
}

extension ServerSection {
    /// What the ingest listener allows.
    var ingestListener: HTTPServerSettings {
        var settings = HTTPServerSettings(address: listen)
        settings.threads = threads
        settings.maximumConnections = limits.connections
        settings.maximumConnectionsPerAddress = limits.connectionsPerAddress
        settings.maximumHeaderBytes = limits.headerBytes
        settings.maximumBodyBytes = limits.bodyBytes
        settings.headerTimeout = timeouts.header
        settings.bodyTimeout = timeouts.body
        settings.idleTimeout = timeouts.idle
        settings.answerTimeout = timeouts.answer
        return settings
    }

    /// What a decoder may make of one body.
    var wireLimits: WireLimits {
        var wire = WireLimits.standard
        wire.decodedBytes = limits.decodedBytes
        wire.points = limits.points
        wire.series = min(wire.series, limits.points)
        return wire
    }
}
