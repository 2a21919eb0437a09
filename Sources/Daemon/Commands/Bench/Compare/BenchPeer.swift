import Glibc

/// A program that takes remote write and sends it on, and how it is started: with its own defaults, on loopback.
struct BenchPeer: Equatable {
    enum Kind: String, CaseIterable {
        case holdfast
        case vmagent
        /// `prometheus` as an agent.
        case prometheus
    }

    let kind: Kind
    /// Of the program's file.
    let path: String
    /// What it says of its version; empty when it does not say.
    var version = ""
    /// In a table; the same for one of the same kind in the next round.
    var name: String { kind.rawValue + (version.isEmpty ? "" : " \(version)") }

    /// This very binary.
    static let own = BenchPeer(kind: .holdfast, path: "/proc/self/exe", version: HoldfastVersion.text)

    /// The peers whose programs are in the folders of `PATH`.
    static func installed() -> [BenchPeer] {
        let folders = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":")
        return Kind.allCases.filter { $0 != .holdfast }.compactMap { kind in
            let paths = folders.map { "\($0)/\(kind.rawValue)" }
            return paths.first { isProgram($0) }.map { BenchPeer(kind: kind, path: $0) }
        }
    }

    private static func isProgram(_ path: String) -> Bool { access(path, X_OK) == 0 }

    /// - Parameter text: `KIND=PATH`.
    init(_ text: String) throws(UsageError) {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, let kind = Kind(rawValue: parts[0]) else {
            let kinds = Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError("--peer: \"\(text)\" is not KIND=PATH with a kind of \(kinds)")
        }
        guard BenchPeer.isProgram(parts[1]) else { throw UsageError("--peer: \(parts[1]) is no program") }
        self.init(kind: kind, path: parts[1])
    }

    init(kind: Kind, path: String, version: String = "") {
        self.kind = kind
        self.path = path
        self.version = version
    }

    /// Asks the program for its version.
    func named(in parent: String) throws(BenchFailure) -> BenchPeer {
        if !version.isEmpty { return self }
        let word = kind == .holdfast ? "version" : "--version"
        guard let said = try BenchProcess.output(of: path, [word], in: parent) else {
            throw BenchFailure("\(path) cannot be started")
        }
        var named = self
        named.version = BenchPeer.version(in: said)
        return named
    }

    /// The first word that is a version: of "vmagent-20260801-120000-tags-v1.147.0-0-gabc", of "prometheus, version
    /// 2.42.0+ds (branch: ...", of "holdfast 0.1.0"; empty when there is none. Debian's vmagent prints an empty line.
    static func version(in text: String) -> String {
        text.split(whereSeparator: { " \n-(,".contains($0) })
            .map { $0.hasPrefix("v") ? $0.dropFirst() : $0 }
            .first { $0.first?.isNumber == true && $0.contains(".") }.map(String.init) ?? ""
    }

    /// - Parameters:
    ///   - sinkPort: where its one backend, a remote-write sink on loopback, is or will be.
    ///   - parent: the folder it gets its own in.
    ///   - linger: Holdfast's `commit_linger`.
    func start(sinkPort: UInt16, in parent: String, linger: String = "0s") throws(BenchFailure) -> BenchProcess {
        let sink = "http://127.0.0.1:\(sinkPort)/api/v1/write"
        switch kind {
        case .holdfast:
            return try BenchProcess(path, in: parent, readyPath: "/-/ready") { folder, port throws(BenchFailure) in
                try BenchPeer.holdfast(folder, port, sink, linger)
            }
        case .vmagent:
            return try BenchProcess(path, in: parent, readyPath: "/health") { folder, port in
                [
                    "-httpListenAddr=127.0.0.1:\(port)", "-remoteWrite.url=\(sink)",
                    "-remoteWrite.tmpDataPath=\(folder)/data",
                ]
            }
        case .prometheus:
            let isOld = version.hasPrefix("2.")
            return try BenchProcess(path, in: parent, readyPath: "/-/ready") { folder, port throws(BenchFailure) in
                try BenchFolder.write("remote_write:\n  - url: \(sink)\n", to: "\(folder)/prometheus.yml")
                return [
                    isOld ? "--enable-feature=agent" : "--agent", "--web.enable-remote-write-receiver",
                    "--web.listen-address=127.0.0.1:\(port)", "--config.file=\(folder)/prometheus.yml",
                    "--storage.agent.path=\(folder)/data",
                ]
            }
        }
    }

    private static func holdfast(
        _ folder: String, _ port: UInt16, _ sink: String, _ linger: String
    ) throws(BenchFailure) -> [String] {
        let config = "\(folder)/holdfast.yml"
        try BenchFolder.write(
            """
            data_dir: \(folder)/data
            server: { listen: "127.0.0.1:\(port)" }
            log: { level: warning }
            backends:
              sink: { type: prometheus_remote_write, url: "\(sink)" }
            tenants:
              default: { backends: [sink], commit_linger: \(linger) }

            """, to: config)
        return ["run", "--config", config]
    }
}
