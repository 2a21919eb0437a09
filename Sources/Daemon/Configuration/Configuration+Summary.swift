import Forwarder
import Metrics
import WALStore

/// What a config means, for `check`. No secret is in it.
extension Configuration {
    var summary: JSONValue {
        .map([
            "ok": true,
            "config": file.map(JSONValue.string) ?? .null,
            "data_dir": .string(dataDirectory),
            "listen": .string("\(server.listen)"),
            "admin": .string("\(adminAddress)"),
            "backends": .array(
                backends.map { backend in
                    .map([
                        "backend": .string(backend.name), "type": .string(backend.registration.type),
                        "order": .string(backend.order.name),
                        "route": backend.rules.map { .string($0.words) },
                    ])
                }),
            "tenants": .array(
                tenants.map { tenant in
                    .map([
                        "tenant": .string(tenant.id),
                        "backends": .array(tenant.backends.map(JSONValue.string)),
                        "routes": .array(tenant.rules.keys.sorted().map(JSONValue.string)),
                        "credentials": .int(Int64(tenant.credentials.tokens.count + tenant.credentials.users.count)),
                        "when_full": .string(tenant.whenFull.rawValue),
                        "durability": .string(tenant.durability.rawValue),
                    ])
                }),
            "scrape": .array(
                scrapeJobs.map { job in
                    .map([
                        "job": .string(job.job), "tenant": .string(job.tenant),
                        "targets": .array(job.targets.map(JSONValue.string)),
                        "file_sd": .array(job.fileDiscovery.map(JSONValue.string)),
                        "interval_seconds": .double(job.interval / .seconds(1)),
                    ])
                }),
            "alertmanager": alertmanager.map { section in
                .map([
                    "urls": .array(section.settings.urls.map(JSONValue.string)),
                    "interval_seconds": .double(section.settings.interval / .seconds(1)),
                    "external_labels": .object(
                        section.settings.labels.map { JSONValue.Member($0.name, .string($0.value)) }),
                ])
            },
            "warnings": .array(warnings.map(JSONValue.string)),
        ])
    }

    var summaryText: String {
        var text = file.map { "\($0) is valid.\n" } ?? "Without a config:\n"
        text += "  listens on \(server.listen), admin on \(adminAddress), data in \(dataDirectory)\n"
        for backend in backends {
            let route = backend.rules.map { ", \($0.words)" } ?? ""
            text += "  backend \(backend.name): \(backend.registration.type)\(backend.order.words)\(route)\n"
        }
        for tenant in tenants {
            let access =
                tenant.credentials.isEmpty ? (isOpen ? "open to this machine" : "no credentials") : "with credentials"
            let target = tenant.backends.isEmpty ? "nothing" : tenant.backends.joined(separator: ", ")
            text += "  tenant \(tenant.id): to \(target); \(access)\n"
            for (name, rules) in tenant.rules.sorted(by: { $0.key < $1.key }) {
                text += "    to \(name): \(rules?.words ?? "all series, as they are")\n"
            }
        }
        for job in scrapeJobs {
            let seconds = Amount.duration(seconds: job.interval / .seconds(1))
            let targets = (job.targets + job.fileDiscovery.map { "file \($0)" }).joined(separator: ", ")
            text += "  scrape \(job.job): \(targets) every \(seconds) for tenant \(job.tenant)\n"
        }
        if let alertmanager {
            text += "  alerts to \(alertmanager.settings.urls.joined(separator: ", "))\n"
        }
        for warning in warnings { text += "warning: \(warning)\n" }
        return text
    }
}

extension RouteRules {
    /// For people.
    fileprivate var words: String {
        var words: [String] = []
        if !match.isEmpty { words.append("only \(match.map(\.description).joined(separator: " or "))") }
        if !drop.isEmpty { words.append("without \(drop.map(\.description).joined(separator: " or "))") }
        if sample < 1 { words.append("\(sample * 100)% of the series") }
        if !externalLabels.isEmpty {
            words.append("external labels \(externalLabels.map(\.name).joined(separator: ", "))")
        }
        if !relabel.isEmpty { words.append(relabel.count == 1 ? "1 relabel rule" : "\(relabel.count) relabel rules") }
        return words.joined(separator: ", ")
    }
}
