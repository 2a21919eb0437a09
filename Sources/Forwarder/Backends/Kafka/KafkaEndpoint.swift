/// Where Kafka's brokers are and how they are spoken to.
///
/// Keys: `brokers` (a list of `host:port`), `basic_auth` with `sasl: plain | scram_sha_256 | scram_sha_512`, `tls` (a section;
/// an empty one is TLS with the system's authorities), `timeout`.
struct KafkaEndpoint: Sendable {
    enum Mechanism: String, CaseIterable {
        case plain
        case scram256 = "scram_sha_256"
        case scram512 = "scram_sha_512"

        var name: String {
            switch self {
            case .plain: "PLAIN"
            case .scram256: "SCRAM-SHA-256"
            case .scram512: "SCRAM-SHA-512"
            }
        }
    }

    let brokers: [String]
    let login: BrokerLogin?
    let mechanism: Mechanism
    /// nil: in the clear.
    let tls: TLSOptions?
    /// From the call to the acknowledgement.
    let timeout: Duration

    init(_ settings: Settings) throws(SettingsError) {
        brokers = try settings.strings("brokers")
        if brokers.isEmpty { _ = try settings.required("brokers") }
        for broker in brokers where !Self.isBroker(broker) {
            throw SettingsError(
                "\(settings.name(of: "brokers")): \"\(broker)\" is not host:port", line: settings.line(of: "brokers"))
        }
        login = try BrokerLogin(settings)
        mechanism = try settings.choice("sasl", default: .plain)
        guard login != nil || !settings.has("sasl") else {
            throw SettingsError("\(settings.name(of: "sasl")) needs basic_auth", line: settings.line(of: "sasl"))
        }
        timeout = try HTTPEndpoint.positive(settings, "timeout", default: .seconds(30))
        let options = try HTTPEndpoint.tls(settings)
        guard options.serverName == nil, options.minimumVersion == .v1_2 else {
            throw SettingsError(
                "\(settings.name(of: "tls")): librdkafka takes neither server_name nor min_version",
                line: settings.line(of: "tls"))
        }
        tls = settings.has("tls") ? options : nil
    }

    private static func isBroker(_ text: String) -> Bool {
        guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
            let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { return false }
        return text.utf8.allSatisfy { $0 > 32 && $0 < 127 && !",/@".utf8.contains($0) }
    }

    /// As librdkafka names them. <https://github.com/confluentinc/librdkafka/blob/v2.0.2/CONFIGURATION.md>
    var properties: [(name: String, value: String)] {
        var all = [
            (name: "bootstrap.servers", value: brokers.joined(separator: ",")),
            (name: "security.protocol", value: (login == nil ? "" : "sasl_") + (tls != nil ? "ssl" : "plaintext")),
        ]
        if let login {
            all += [
                ("sasl.mechanism", mechanism.name), ("sasl.username", login.user),
                ("sasl.password", login.password.reveal),
            ]
        }
        guard let tls else { return all }
        if let file = tls.caFile { all.append(("ssl.ca.location", file)) }
        if let cert = tls.certFile, let key = tls.keyFile {
            all += [("ssl.certificate.location", cert), ("ssl.key.location", key)]
        }
        all += [
            ("enable.ssl.certificate.verification", tls.insecureSkipVerify ? "false" : "true"),
            ("ssl.endpoint.identification.algorithm", tls.insecureSkipVerify ? "none" : "https"),
        ]
        return all
    }
}
