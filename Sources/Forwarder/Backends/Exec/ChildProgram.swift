import CProcess
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// One life of a program: a process in a group of its own, and our ends of its three pipes. Bound to one thread.
///
/// It gets no descriptor but its pipes, no variable but those of the config, no signal blocked or ignored. Whatever is left
/// of its group is killed with it; a process that left the group is beyond reach.
final class ChildProgram {
    struct Failure: Error {
        var reason: String
        /// Nothing changes until somebody does something: no such file, not executable.
        var needsOperator: Bool
    }

    let id: pid_t
    /// Readable once the process has ended.
    let ending: Int32
    private(set) var input: Int32
    let output: Int32
    let errors: Int32
    private var isReaped = false

    init(_ command: ProgramCommand) throws(Failure) {
        let pipes = try Pipes()
        defer { pipes.closeTheirs() }
        let spawned: Result<pid_t, Failure>
        do throws(Failure) { spawned = .success(try Self.spawn(command, pipes)) } catch { spawned = .failure(error) }
        if case .failure = spawned { pipes.closeOurs() }
        id = try spawned.get()
        (input, output, errors) = (pipes.input.ours, pipes.output.ours, pipes.errors.ours)
        ending = holdfast_pidfd_open(id)
        // Before a byte goes to it: what it is asked to do, it does within the limits.
        guard ending >= 0, Self.limit(id, command.limits) else {
            let reason = "the program could not be watched or limited: \(Self.text(errno))"
            throw Failure(reason: reason, needsOperator: false)
        }
    }

    deinit {
        end()
        for descriptor in [input, output, errors, ending] where descriptor >= 0 { close(descriptor) }
    }

    /// The program sees the end of its input.
    func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    // MARK: End

    /// Kills what is left of it, and says how it ended.
    ///
    /// The group goes before its first member is reaped: until then its number cannot be somebody else's.
    @discardableResult func end() -> String {
        if isReaped { return "has ended" }
        isReaped = true
        // How it ended by itself stays told when it has. The second is for one that went into another group.
        _ = kill(-id, SIGKILL)
        _ = kill(id, SIGKILL)
        // A process that the kernel holds in a call is killed when that returns; nobody waits for it here. It stays a
        // zombie then, until the node ends.
        guard ending < 0 || Self.wait(ending, milliseconds: 2000) else { return "does not end" }
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7f
        return signal == 0 ? "exited with status \((status >> 8) & 0xff)" : "was ended by signal \(signal)"
    }

    /// - Returns: whether `descriptor` became readable.
    static func wait(_ descriptor: Int32, milliseconds: Int32) -> Bool {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let count = poll(&watched, 1, milliseconds)
            if count < 0, errno == EINTR { continue }
            return count > 0
        }
    }

    // MARK: Start

    private struct Pipe {
        var ours: Int32
        var theirs: Int32
    }

    private struct Pipes {
        var input = Pipe(ours: -1, theirs: -1)
        var output = Pipe(ours: -1, theirs: -1)
        var errors = Pipe(ours: -1, theirs: -1)

        init() throws(Failure) {
            do throws(Failure) {
                input = try Self.make(oursWrites: true)
                output = try Self.make(oursWrites: false)
                errors = try Self.make(oursWrites: false)
            } catch {
                closeOurs()
                closeTheirs()
                throw error
            }
        }

        private static func make(oursWrites: Bool) throws(Failure) -> Pipe {
            var ends: [Int32] = [-1, -1]
            guard holdfast_pipe2(&ends, O_CLOEXEC) == 0 else {
                throw Failure(reason: "no pipe: \(ChildProgram.text(errno))", needsOperator: false)
            }
            let pipe = Pipe(ours: ends[oursWrites ? 1 : 0], theirs: Self.aboveStandard(ends[oursWrites ? 0 : 1]))
            _ = fcntl(pipe.ours, F_SETFL, O_NONBLOCK)
            return pipe
        }

        /// In a node that was started without standard descriptors a pipe could be one, and would be lost among them.
        private static func aboveStandard(_ descriptor: Int32) -> Int32 {
            guard descriptor < 3 else { return descriptor }
            defer { close(descriptor) }
            return fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        }

        func closeOurs() { for pipe in [input, output, errors] where pipe.ours >= 0 { close(pipe.ours) } }
        func closeTheirs() { for pipe in [input, output, errors] where pipe.theirs >= 0 { close(pipe.theirs) } }
    }

    private static func spawn(_ command: ProgramCommand, _ pipes: Pipes) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, pipe) in [pipes.input, pipes.output, pipes.errors].enumerated() {
            posix_spawn_file_actions_adddup2(&actions, pipe.theirs, Int32(number))
        }
        holdfast_spawn_closefrom(&actions, 3)
        holdfast_spawn_chdir(&actions, command.directory)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETPGROUP))

        var id = pid_t()
        let variables =
            command.environment.map { "\($0.name)=\($0.value)" }
            + command.secrets.map { "\($0.name)=\($0.value.reveal)" }
        let code = withStrings(command.words) { words in
            withStrings(variables) { variables in
                posix_spawn(&id, command.words[0], &actions, &attributes, words, variables)
            }
        }
        guard code == 0 else {
            throw Failure(
                reason: "\(command.words[0]) cannot be started: \(text(code))",
                needsOperator: [ENOENT, ENOTDIR, EACCES, ENOEXEC, ELOOP].contains(code))
        }
        return id
    }

    private static func limit(_ id: pid_t, _ limits: ProgramCommand.Limits) -> Bool {
        func set(_ resource: Int32, _ value: Int?, spare: UInt64 = 0) -> Bool {
            guard let value else { return true }
            return holdfast_set_limit(id, resource, UInt64(value), UInt64(value) + spare) == 0
        }
        // A second more for the signal that says why.
        return set(holdfast_limit_memory(), limits.memory) && set(holdfast_limit_cpu(), limits.cpuSeconds, spare: 1)
            && set(holdfast_limit_files(), limits.files)
    }

    private static func withStrings<Result>(
        _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        var copies = texts.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        copies.append(nil)
        return body(copies)
    }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
