import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A child made with `posix_spawn`: Foundation's `Process` keeps descriptors in an `fd_set` and ends the test process when
/// one of them is beyond 1,023.
///
/// It inherits no descriptor but the three standard ones. It is killed when its last reference goes.
public final class ChildProcess: Sendable {
    public enum Output: Sendable {
        case discarded
        /// Appended to; made when it does not exist.
        case file(String)
        case pipe
    }

    public enum Exit: Sendable, Hashable {
        case exited(Int32)
        case signalled(Int32)

        /// As shells have it: 128 and the signal's number.
        public var status: Int32 {
            switch self {
            case .exited(let status): status
            case .signalled(let signal): 128 + signal
            }
        }
    }

    public struct SpawnError: Error, CustomStringConvertible {
        public var executable: String
        public var code: Int32
        public var description: String { "\(executable): \(String(cString: strerror(code)))" }
    }

    public let id: pid_t
    private let exit = Mutex<Exit?>(nil)
    /// The reading end, when the output is a pipe; -1 otherwise.
    private let output: Int32

    /// - Parameters:
    ///   - executable: a path; no search.
    ///   - environment: added to this process' own.
    ///   - directory: where it runs; nil: here.
    public init(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil,
        output: Output = .discarded, errors: Output = .discarded
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var ends: [Int32] = [-1, -1]
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (number, target) in [(Int32(1), output), (2, errors)] {
            switch target {
            case .discarded: posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_WRONLY, 0)
            case .file(let path):
                posix_spawn_file_actions_addopen(&actions, number, path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
            case .pipe:
                if ends[0] < 0, pipe(&ends) != 0 { throw SpawnError(executable: "pipe", code: errno) }
                posix_spawn_file_actions_adddup2(&actions, ends[1], number)
            }
        }
        if let directory { ChildProcess.setFolder(&actions, directory) }
        ChildProcess.closeAll(&actions)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What the test runner ignores, a server must not.
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK))

        var id = pid_t()
        let code = ChildProcess.withStrings([executable] + arguments) { argv in
            ChildProcess.withStrings(ChildProcess.merged(environment)) { envp in
                posix_spawn(&id, executable, &actions, &attributes, argv, envp)
            }
        }
        if ends[1] >= 0 { close(ends[1]) }
        guard code == 0 else {
            if ends[0] >= 0 { close(ends[0]) }
            throw SpawnError(executable: executable, code: code)
        }
        self.id = id
        self.output = ends[0]
    }

    deinit {
        kill()
        if output >= 0 { close(output) }
    }

    // MARK: Life

    public var isRunning: Bool { look(WNOHANG) == nil }

    public func signal(_ number: Int32) {
        exit.withLock { exit in
            // Under the lock that reaps it: its number cannot be somebody else's yet.
            if exit == nil { _ = Glibc.kill(id, number) }
        }
    }

    /// SIGKILL, and it is gone when this returns.
    public func kill() {
        signal(SIGKILL)
        _ = wait()
    }

    /// Blocks until it has ended.
    @discardableResult public func wait() -> Exit {
        var information = siginfo_t()
        while true {
            if let exit = look(WNOHANG) { return exit }
            // Waits without reaping, so that nobody holds the lock meanwhile.
            _ = waitid(P_PID, id_t(id), &information, WEXITED | WNOWAIT)
        }
    }

    private func look(_ options: Int32) -> Exit? {
        exit.withLock { exit in
            if exit != nil { return exit }
            var status: Int32 = 0
            guard waitpid(id, &status, options) == id else { return nil }
            let signal = status & 0x7f
            exit = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
            return exit
        }
    }

    // MARK: Output

    /// The next line of a piped output without its end; nil at the end of it.
    public func readLine() -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let count = read(output, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self) }
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
    }

    /// Runs a program to its end and keeps what it said; the two outputs go to files, because a full pipe would stop it.
    public static func run(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil
    ) throws -> (exit: Exit, output: String, errors: String) {
        let folder = try TemporaryFolder()
        let (output, errors) = ("\(folder.path)/output", "\(folder.path)/errors")
        let child = try ChildProcess(
            executable, arguments, environment: environment, directory: directory, output: .file(output),
            errors: .file(errors))
        let exit = child.wait()
        return (exit, text(of: output), text(of: errors))
    }

    private static func text(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += piece[..<count]
        }
    }

    // MARK: What the headers show to GNU sources only

    private typealias Actions = UnsafeMutablePointer<posix_spawn_file_actions_t>

    private static func setFolder(_ actions: Actions, _ path: String) {
        typealias Function = @convention(c) (Actions, UnsafePointer<CChar>) -> Int32
        let function = dlsym(nil, "posix_spawn_file_actions_addchdir_np")
        precondition(function != nil, "glibc has it since 2.29")
        _ = unsafeBitCast(function, to: Function.self)(actions, path)
    }

    /// From 3 on: what a child holds open, such as a listening socket of another test, would outlive its owner.
    private static func closeAll(_ actions: Actions) {
        typealias Function = @convention(c) (Actions, Int32) -> Int32
        let function = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np")
        precondition(function != nil, "glibc has it since 2.34")
        _ = unsafeBitCast(function, to: Function.self)(actions, 3)
    }

    // MARK: Strings

    private static func merged(_ added: [String: String]) -> [String] {
        var all = added
        // `environ` is a variable anybody may change, so Swift does not lend it; this is what the process began with.
        for entry in text(of: "/proc/self/environ").split(separator: "\0") {
            guard let sign = entry.firstIndex(of: "="), all[String(entry[..<sign])] == nil else { continue }
            all[String(entry[..<sign])] = String(entry[entry.index(after: sign)...])
        }
        return all.map { "\($0.key)=\($0.value)" }
    }

    private static func withStrings<Result>(
        _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        var copies = texts.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        copies.append(nil)
        return body(copies)
    }
}
