import WALStore

/// The labels that a push is filed under: `job`, and those of `grouping`. They stand in the path.
/// <https://github.com/prometheus/pushgateway#url>
struct PushGroup: Sendable {
    private let labels: [(name: String, value: TenantTemplate)]

    init(_ settings: Settings) throws(SettingsError) {
        let job = try TenantTemplate(settings, "job") ?? TenantTemplate("holdfast")
        guard !job.text.isEmpty else {
            throw SettingsError("\(settings.name(of: "job")) is empty", line: settings.line(of: "job"))
        }
        var labels = [(name: "job", value: job)]
        let pairs = settings.has("grouping") ? try settings.pairs("grouping") : [("tenant", TenantTemplate.placeholder)]
        for (name, value) in pairs {
            guard Self.isLabel(name), !labels.contains(where: { $0.name == name }) else {
                throw SettingsError(
                    "\(settings.name(of: "grouping")): \"\(name)\" is no label of a group, or there twice",
                    line: settings.line(of: "grouping"))
            }
            labels.append((name, TenantTemplate(value)))
        }
        guard labels.contains(where: { $0.value.namesTenant }) else {
            throw SettingsError(
                "\(settings.path): job or grouping must hold {tenant}: a push replaces what is in its group",
                line: settings.line(of: "grouping"))
        }
        self.labels = labels
    }

    private static func isLabel(_ name: String) -> Bool {
        guard let first = name.utf8.first, !name.hasPrefix("__"), !(48...57).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == UInt8(ascii: "_")
        }
    }

    var names: [[UInt8]] { labels.map { Array($0.name.utf8) } }

    /// Below `url`. A value that a path cannot have is written in base64.
    func path(_ tenant: String) -> String {
        var path = "metrics"
        for label in labels {
            let value = label.value(tenant)
            if value.isEmpty {
                path += "/\(label.name)@base64/="
            } else if value.utf8.contains(UInt8(ascii: "/")) {
                path += "/\(label.name)@base64/\(Self.base64(value))"
            } else {
                path += "/\(label.name)/\(PercentEncoding.encode(value))"
            }
        }
        return path
    }

    /// RFC 4648 section 5, without padding.
    private static func base64(_ text: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var (held, bits, bytes) = (UInt32(0), UInt32(0), [UInt8]())
        for byte in text.utf8 {
            (held, bits) = (held << 8 | UInt32(byte), bits + 8)
            while bits >= 6 {
                bits -= 6
                bytes.append(alphabet[Int(held >> bits & 63)])
            }
        }
        if bits > 0 { bytes.append(alphabet[Int(held << (6 - bits) & 63)]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
