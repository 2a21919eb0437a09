import Glibc

/// A node of this very binary, for one run: its own folder, port and config, removed afterwards.
final class BenchNode {
    let pid: pid_t
    let port: UInt16
    let folder: String
    var dataFolder: String { "\(folder)/data" }
    var url: String { "http://127.0.0.1:\(port)/api/v1/write" }

    /// - Parameters:
    ///   - sinkPort: where its one backend, a remote-write sink, will be.
    ///   - parent: the folder it makes its own in; the disk that is measured.
    /// - Throws: `BenchFailure` when it does not get ready in time.
    init(sinkPort: UInt16, in parent: String) throws(BenchFailure) {
        var template = Array("\(parent)/holdfast-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchFailure("cannot make a folder in \(parent)") }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        port = try BenchNode.freePort()
        let config = "\(folder)/holdfast.yml"
        try BenchNode.write(
            """
            data_dir: \(folder)/data
            server: { listen: "127.0.0.1:\(port)" }
            log: { level: warning }
            backends:
              sink: { type: prometheus_remote_write, url: "http://127.0.0.1:\(sinkPort)/api/v1/write" }
            tenants:
              default: { backends: [sink] }

            """, to: config)
        pid = try BenchNode.spawn(["holdfast", "run", "--config", config], log: "\(folder)/log")
        try waitUntilReady()
    }

    deinit { stop() }

    private var isStopped = false

    /// Ends the node and removes what it wrote.
    func stop() {
        if isStopped { return }
        isStopped = true
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        BenchNode.remove(folder)
    }

    private func waitUntilReady() throws(BenchFailure) {
        guard let target = BenchTarget("http://127.0.0.1:\(port)/-/ready") else { return }
        let deadline = BenchClock.now + 20_000_000_000
        while BenchClock.now < deadline {
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) == pid { break }
            // A connection that is accepted is enough: the first request waits for the rest.
            if BenchConnection(target) != nil { return }
            BenchClock.sleep(until: BenchClock.now + 10_000_000)
        }
        // The folder goes with this object: its log is told now or never.
        throw BenchFailure("the node under test did not start: \(BenchNode.beginning(of: "\(folder)/log"))")
    }

    private static func beginning(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "no log" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 2000)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static func spawn(_ arguments: [String], log: String) throws(BenchFailure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/proc/self/exe", &actions, nil, &words, environ)
        guard code == 0 else { throw BenchFailure("cannot start a node: \(String(cString: strerror(code)))") }
        return pid
    }

    /// A port nobody listens on now.
    private static func freePort() throws(BenchFailure) -> UInt16 {
        guard let sink = BenchSink(port: 0, roundTripMilliseconds: 0) else { throw BenchFailure("no free port") }
        return sink.port
    }

    private static func write(_ text: String, to path: String) throws(BenchFailure) {
        guard let file = fopen(path, "w") else { throw BenchFailure("cannot write \(path)") }
        fputs(text, file)
        fclose(file)
    }

    private static func remove(_ path: String) {
        guard let folder = opendir(path) else {
            unlink(path)
            return
        }
        while let next = readdir(folder) {
            let name = withUnsafePointer(to: &next.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { remove("\(path)/\(name)") }
        }
        closedir(folder)
        rmdir(path)
    }
}

/// Why a benchmark could not be run.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
