import Glibc

/// A server under test, for one run: a process with a folder and a port of its own; the folder goes with it.
final class BenchProcess {
    let pid: pid_t
    let port: UInt16
    let folder: String
    /// What it is told to keep its data in.
    var dataFolder: String { "\(folder)/data" }
    var url: String { "http://127.0.0.1:\(port)/api/v1/write" }

    /// How a program is started in `folder`, to listen on `port` of loopback.
    typealias Preparation = (_ folder: String, _ port: UInt16) throws(BenchFailure) -> [String]

    /// Starts `program` and waits until a GET of `readyPath` is answered 200.
    ///
    /// - Parameters:
    ///   - parent: the folder it gets its own in; the disk that is measured.
    ///   - prepare: writes what the program reads, and returns its arguments, without its name.
    /// - Throws: `BenchFailure`, with the beginning of its log, when it does not get ready within 20 seconds.
    init(_ program: String, in parent: String, readyPath: String, prepare: Preparation) throws(BenchFailure) {
        folder = try BenchFolder.make(in: parent)
        port = try BenchProcess.freePort()
        let log = "\(folder)/log"
        do throws(BenchFailure) {
            pid = try BenchProcess.spawn(program, try prepare(folder, port), log: log)
        } catch {
            BenchFolder.remove(folder)
            throw error
        }
        try waitUntilReady(readyPath, program, log)
    }

    deinit { stop() }

    private var isStopped = false

    /// Ends the process and removes what it wrote.
    func stop() {
        if isStopped { return }
        isStopped = true
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        BenchFolder.remove(folder)
    }

    private func waitUntilReady(_ path: String, _ program: String, _ log: String) throws(BenchFailure) {
        guard let target = BenchTarget("http://127.0.0.1:\(port)\(path)") else { return }
        let deadline = BenchClock.now + 20_000_000_000
        while BenchClock.now < deadline {
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) == pid { break }
            if BenchConnection.get(target)?.status == 200 { return }
            BenchClock.sleep(until: BenchClock.now + 10_000_000)
        }
        // The folder goes with this object: its log is told now or never.
        throw BenchFailure("\(program) did not get ready: \(BenchFolder.beginning(of: log))")
    }

    /// What a program prints when it is started with `arguments`, both streams; nil when it cannot be started.
    static func output(of program: String, _ arguments: [String], in parent: String) throws(BenchFailure) -> String? {
        let folder = try BenchFolder.make(in: parent)
        defer { BenchFolder.remove(folder) }
        guard let pid = try? spawn(program, arguments, log: "\(folder)/log") else { return nil }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        return BenchFolder.beginning(of: "\(folder)/log")
    }

    private static func spawn(_ program: String, _ arguments: [String], log: String) throws(BenchFailure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, nil, &words, environ)
        guard code == 0 else { throw BenchFailure("cannot start \(program): \(String(cString: strerror(code)))") }
        return pid
    }

    /// A port nobody listens on now.
    private static func freePort() throws(BenchFailure) -> UInt16 {
        guard let sink = BenchSink(port: 0, roundTripMilliseconds: 0) else { throw BenchFailure("no free port") }
        return sink.port
    }
}

/// Why a benchmark could not be run.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
