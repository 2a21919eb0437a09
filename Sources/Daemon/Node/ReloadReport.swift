import Metrics
import WALStore

/// What a reload changed, and what it could not.
struct ReloadReport: Sendable, Equatable {
    /// The whole path of the file that was read; nil: the built-in defaults.
    var file: String?
    /// `tenant acme added`, for people.
    var changes: [String] = []
    /// Keys that are read at start only.
    var needsRestart: [String] = []
    /// Backlogs that nothing sends, because their backend is not in the config.
    var backlogs: [BacklogOfNobody] = []
    /// Tenants of which points are still owed, and that are not in the config.
    var leftTenants: [LeftTenant] = []
    /// So many are named.
    private static let namedBacklogs = 20

    /// What an operator should know of it, for people.
    var warnings: [String] {
        var lines = backlogs.prefix(ReloadReport.namedBacklogs).map { one in
            "tenant \(one.tenant): backend \(one.backend) is not in the config and is still owed "
                + "\(Amount.count(one.points)) points; \(BacklogOfNobody.wayOut(one.backend))"
        }
        if backlogs.count > lines.count { lines.append("and \(backlogs.count - lines.count) more such backlogs") }
        lines += leftTenants.prefix(ReloadReport.namedBacklogs).map(\.warning)
        let more = leftTenants.count - ReloadReport.namedBacklogs
        if more > 0 { lines.append("and \(more) more such tenants") }
        return lines
    }

    init(old: Configuration, new: Configuration) {
        file = new.wholeFile
        compare(
            "backend", old.backends.map { ($0.name, $0.fingerprint) }, new.backends.map { ($0.name, $0.fingerprint) })
        compare("tenant", old.tenants.map { ($0.id, $0) }, new.tenants.map { ($0.id, $0) })
        compare("scrape job", old.scrapeJobs.map { ($0.job, $0) }, new.scrapeJobs.map { ($0.job, $0) })
        if old.log != new.log { changes.append("log changed") }
        if old.alertmanager?.fingerprint != new.alertmanager?.fingerprint { changes.append("alertmanager changed") }
        if old.dataDirectory != new.dataDirectory { needsRestart.append("data_dir") }
        if old.node != new.node { needsRestart.append("node") }
        if old.chain != new.chain { needsRestart.append("chain") }
        if old.server.listen != new.server.listen { needsRestart.append("server.listen") }
        if old.adminAddress != new.adminAddress { needsRestart.append("server.admin") }
        if old.server.adminToken != new.server.adminToken { needsRestart.append("server.admin_token") }
        if old.server.threads != new.server.threads { needsRestart.append("server.threads") }
        if old.server.limits != new.server.limits { needsRestart.append("server.limits") }
        if old.server.timeouts != new.server.timeouts { needsRestart.append("server.timeouts") }
    }

    private mutating func compare<Value: Equatable>(
        _ kind: String, _ old: [(String, Value)], _ new: [(String, Value)]
    ) {
        let before = Dictionary(old, uniquingKeysWith: { first, _ in first })
        let after = Dictionary(new, uniquingKeysWith: { first, _ in first })
        for (name, value) in new {
            guard let was = before[name] else {
                changes.append("\(kind) \(name) added")
                continue
            }
            if was != value { changes.append("\(kind) \(name) changed") }
        }
        for (name, _) in old where after[name] == nil { changes.append("\(kind) \(name) removed") }
    }

    /// For the log.
    var fields: [String: String] {
        var fields = ["config.changes": String(changes.count)]
        if let file { fields["config.file"] = file }
        return fields
    }

    var json: JSONValue {
        .map([
            "reloaded": true,
            "config": file.map(JSONValue.string) ?? .null,
            "changes": .array(changes.map(JSONValue.string)),
            "needs_restart": .array(needsRestart.map(JSONValue.string)),
            "warnings": .array(warnings.map(JSONValue.string)),
        ])
    }
}

extension BacklogOfNobody {
    static func wayOut(_ backend: String) -> String {
        "nothing sends them: put its section back, or give the backend that took its place `renamed_from: \(backend)`"
    }
}

extension Configuration {
    /// As it is from anywhere.
    var wholeFile: String? { file.map { PlainPath.of($0) } }

    /// Why a reload does not read the file that is meant; nil: it does. The node reads its own file, and no other.
    func refusal(toReload meant: String) -> String? {
        guard let file, let whole = wholeFile else {
            return "the node runs without a config file, and reads none: end it, and start it with "
                + "`holdfast run --config \(meant)`"
        }
        guard !SystemFile.isSame(file, meant) else { return nil }
        return "the node's config is \(whole), not \(meant), and a reload reads the node's own; nothing was changed. "
            + "Put the change there, or restart the node with the other file"
    }

    /// What was read at start stays as it was until the next one.
    mutating func keepWhatNeedsRestart(of old: Configuration) {
        dataDirectory = old.dataDirectory
        node = old.node
        chain = old.chain
        server = old.server
    }
}
