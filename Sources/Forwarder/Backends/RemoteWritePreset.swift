/// Receivers by name, and what is usual with each.
enum RemoteWritePreset: String, CaseIterable {
    case mimir
    case cortex
    case thanos
    case grafanaCloud = "grafana_cloud"
    case victoriaMetrics = "victoriametrics"

    /// The header that says whose points they are; nil where the URL or the user does.
    var tenantHeader: String? {
        switch self {
        case .mimir, .cortex: "X-Scope-OrgID"
        case .thanos: "THANOS-TENANT"
        case .grafanaCloud, .victoriaMetrics: nil
        }
    }

    var compression: RemoteWriteCompression { self == .victoriaMetrics ? .zstd : .snappy }

    init?(_ settings: Settings) throws(SettingsError) {
        guard let text = try settings.string("preset") else { return nil }
        guard let preset = RemoteWritePreset(rawValue: text) else {
            let all = RemoteWritePreset.allCases.map(\.rawValue).joined(separator: ", ")
            throw SettingsError(
                "\(settings.name(of: "preset")): \"\(text)\" is none of \(all)", line: settings.line(of: "preset"))
        }
        self = preset
    }

    /// What it cannot do without.
    func check(_ endpoint: HTTPEndpoint, _ settings: Settings) throws(SettingsError) {
        guard self == .grafanaCloud else { return }
        guard case .basic = endpoint.authentication else {
            throw SettingsError(
                "\(settings.path): grafana_cloud needs basic_auth: the instance's number, and a token as password",
                line: settings.line(of: "preset"))
        }
    }
}

/// `protocol` of a remote write backend.
enum RemoteWriteProtocol: String, CaseIterable {
    case first = "1.0"
    case second = "2.0"
    /// 2.0 where it is taken.
    case auto
}

/// `compression` of a remote write backend.
enum RemoteWriteCompression: String, CaseIterable {
    case snappy
    /// VictoriaMetrics' own form of 1.0, where it is taken.
    case zstd
}
