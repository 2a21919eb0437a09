/// Where an MQTT broker is and how it is spoken to.
///
/// Keys: `url`, `client_id`, `protocol: "5.0" | "3.1.1"`, `basic_auth`, `tls`, `timeout`, `keep_alive`.
struct MQTTEndpoint: Sendable {
    enum Version: String, CaseIterable {
        case v5 = "5.0"
        case v311 = "3.1.1"
    }

    let broker: BrokerAddress
    /// The session's name at the broker: of two connections with one name each ends the other.
    let clientID: String
    let version: Version
    let login: BrokerLogin?
    /// nil: in the clear.
    let tls: TLSOptions?
    /// From the call to the acknowledgement, a connection included.
    let timeout: Duration
    let keepAliveSeconds: Int

    init(_ settings: Settings) throws(SettingsError) {
        let brokers = try BrokerAddress.list(settings, "url", plain: ("mqtt", 1883), secure: ("mqtts", 8883))
        guard brokers.count == 1 else {
            throw SettingsError("\(settings.name(of: "url")) must be one broker", line: settings.line(of: "url"))
        }
        broker = brokers[0]
        clientID = try settings.required("client_id")
        // What every broker takes has 23 characters; most take more. [MQTT-3.1.3-5]
        guard clientID.utf8.count <= 128, clientID.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw SettingsError(
                "\(settings.name(of: "client_id")) must be up to 128 ASCII characters without blanks",
                line: settings.line(of: "client_id"))
        }
        version = try settings.choice("protocol", default: .v5)
        login = try BrokerLogin(settings)
        timeout = try HTTPEndpoint.positive(settings, "timeout", default: .seconds(20))
        let keepAlive = try settings.duration("keep_alive") ?? .seconds(30)
        keepAliveSeconds = Int(keepAlive.components.seconds)
        guard (5...3600).contains(keepAliveSeconds) else {
            throw SettingsError(
                "\(settings.name(of: "keep_alive")) must lie between 5s and 1h", line: settings.line(of: "keep_alive"))
        }
        let options = try HTTPEndpoint.tls(settings)
        guard broker.isTLS else {
            tls = nil
            guard !settings.has("tls") else {
                throw SettingsError(
                    "\(settings.name(of: "tls")) needs mqtts:// in url", line: settings.line(of: "tls"))
            }
            return
        }
        guard options.serverName == nil || options.serverName == broker.host else {
            throw SettingsError(
                "\(settings.name(of: "tls")).server_name: libmosquitto compares the host of url with the certificate",
                line: settings.line(of: "tls"))
        }
        tls = options
    }
}
