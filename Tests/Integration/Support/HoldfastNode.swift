import Foundation

/// The binary under test, as an operator runs it: a config file, a data folder, signals and commands.
final class HoldfastNode {
    let port: Int
    let dataFolder: String
    let process: ServerProcess
    private let configPath: String?
    private let server: String
    /// Its folder goes with it.
    private let bench: Workbench

    /// - Parameters:
    ///   - config: the config without `data_dir` and `server`, which are added.
    ///   - server: one more line of `server`.
    ///   - dataFolder: where data is; in the bench when nil.
    ///   - user: who it runs as; nil: whoever runs the tests.
    ///   - wrapper: a command that its own is appended to, and that becomes it.
    init(
        _ bench: Workbench, name: String = "holdfast", config: String, server: String = "", dataFolder: String? = nil,
        user: OtherUser? = nil, wrapper: [String] = []
    ) throws {
        self.bench = bench
        self.server = server
        port = try Workbench.freePort()
        let dataFolder = dataFolder ?? bench.path("\(name)-data")
        self.dataFolder = dataFolder
        configPath = try bench.write("\(name).yml", HoldfastNode.whole(config, server, dataFolder, port))
        if user != nil { try bench.letOthersIn() }
        let command = [Workbench.holdfast, "run", "--config", bench.path("\(name).yml")]
        let whole = wrapper + (user?.prefix ?? []) + command
        process = bench.program(whole[0], Array(whole.dropFirst()), name: name)
    }

    var url: String { "http://127.0.0.1:\(port)" }
    var archiveFolder: String { "\(dataFolder)/archive" }

    private static func whole(_ config: String, _ server: String, _ dataFolder: String, _ port: Int) -> String {
        "data_dir: \(dataFolder)\nserver:\n  listen: 127.0.0.1:\(port)\n  \(server)\n\(config)\n"
    }

    func rewrite(config: String) throws {
        guard let configPath else { return }
        try HoldfastNode.whole(config, server, dataFolder, port).write(
            toFile: configPath, atomically: true, encoding: .utf8)
    }

    func start() async throws { try await startAnd(waitFor: "/-/ready") }

    /// Of a node that is to refuse all requests.
    func startUnready() async throws { try await startAnd(waitFor: "/-/healthy") }

    private func startAnd(waitFor path: String) async throws {
        try process.start()
        guard try await eventually(within: 30, every: 0.02, { await Web.isUp(url + path) || !process.isRunning }),
            process.isRunning
        else { throw TestFailure("holdfast does not get ready: \(process.lastWords)") }
    }

    /// One of its own metrics that has no labels, from the ingest port.
    func metric(_ name: String) async throws -> Double? {
        let answer = try await Web.get("\(url)/metrics")
        let line = String(decoding: answer.body, as: UTF8.self).split(separator: "\n").first {
            $0.hasPrefix("\(name) ")
        }
        return line?.split(separator: " ").last.flatMap { Double($0) }
    }

    /// `holdfast status --json` of one tenant.
    func status(tenant: String = "default") throws -> NodeStatus {
        let answer = try run(Workbench.holdfast, ["status", "--json", "--data-dir", dataFolder])
        guard answer.status == 0 else { throw TestFailure("status: \(answer.errors)") }
        return try NodeStatus(json: answer.output, tenant: tenant)
    }

    /// Waits until nothing is pending for any backend.
    func drain(within seconds: Double = 120, tenant: String = "default") async throws -> NodeStatus {
        var last: NodeStatus?
        let isDrained = try await eventually(within: seconds, every: 0.2) {
            let status = try self.status(tenant: tenant)
            last = status
            return status.isCurrent && status.backends.allSatisfy { $0.pending == 0 }
        }
        guard isDrained, let last else {
            throw TestFailure("still pending: \(String(describing: last))\n\(process.lastWords)")
        }
        return last
    }
}

/// The numbers of `holdfast status --json` that tests look at.
struct NodeStatus {
    struct Backend {
        var name: String
        var owed: Int
        var pending: Int
        var delivered: Int
        var assumed: Int
        var dead: Int
        var lost: Int
        var excluded: Int
        var backlog: Int
        var oldestPendingSeconds: Double
        var balances: Bool { owed == pending + delivered + assumed + dead + lost + excluded }
    }
    /// False until a node that starts after a kill has looked at the spool.
    var isCurrent: Bool
    var accepted: Int
    var refused: Int
    var backends: [Backend]

    init(json: String, tenant: String) throws {
        let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        guard let tenants = object?["tenants"] as? [[String: Any]],
            let mine = tenants.first(where: { $0["tenant"] as? String == tenant })
        else { throw TestFailure("status has no tenant \(tenant): \(json)") }
        func number(_ object: [String: Any], _ key: String) throws -> Int {
            guard let value = object[key] as? NSNumber else { throw TestFailure("status has no \(key): \(object)") }
            return value.intValue
        }
        isCurrent = mine["current"] as? Bool ?? false
        accepted = try number(mine, "accepted_points")
        refused = try number(mine, "refused_points")
        backends = try (mine["backends"] as? [[String: Any]] ?? []).map { entry in
            Backend(
                name: entry["backend"] as? String ?? "", owed: try number(entry, "owed_points"),
                pending: try number(entry, "pending_points"), delivered: try number(entry, "delivered_points"),
                assumed: try number(entry, "assumed_points"), dead: try number(entry, "dead_points"),
                lost: try number(entry, "lost_points"), excluded: try number(entry, "excluded_points"),
                backlog: try number(entry, "backlog_points"),
                oldestPendingSeconds: (entry["oldest_pending_seconds"] as? NSNumber)?.doubleValue ?? 0)
        }
    }

    func backend(_ name: String) throws -> Backend {
        guard let backend = backends.first(where: { $0.name == name }) else { throw TestFailure("no backend \(name)") }
        return backend
    }
}
