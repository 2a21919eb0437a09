import Forwarder
import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Programs for `exec`, written into a folder, and what they were asked and said.
final class ExecFixture: Sendable {
    let folder: TemporaryFolder
    private let heard = Mutex<[Event]>([])

    init() throws { folder = try TemporaryFolder() }

    /// What every program begins with: it greets, and `requests()` gives each request and its points.
    private static let prelude = """
        import json, os, signal, sys, time
        def say(**message): print(json.dumps(message), flush=True)
        def note(name, text):
            with open(FOLDER + "/" + name + ".part", "w") as file: file.write(str(text))
            os.rename(FOLDER + "/" + name + ".part", FOLDER + "/" + name)
        def greet():
            sys.stdin.readline()
            say(hello=1)
        def requests():
            for line in sys.stdin:
                head = json.loads(line)
                yield head, [json.loads(sys.stdin.readline()) for _ in range(head["points"])]

        """

    /// - Returns: the words of a command that runs `body`.
    func program(_ body: String) throws -> [String] {
        let path = "\(folder.path)/program.py"
        try write("FOLDER = \"\(folder.path)\"\n" + Self.prelude + body + "\n", to: path)
        return ["/usr/bin/python3", "-I", path]
    }

    func make(
        _ command: [String], _ values: [String: String] = [:], _ sections: [String: [String: String]] = [:],
        time: TimeSource = .system
    ) throws -> any Backend {
        func map(_ values: [String: String]) -> [(key: String, line: Int, value: SettingsNode)] {
            values.sorted { $0.key < $1.key }.map { ($0.key, 3, SettingsNode(.scalar($0.value), line: 3)) }
        }
        var all = map(["restart_after": "50ms", "timeout": "20s"].merging(values) { $1 })
        all.append(("command", 3, SettingsNode(.list(command.map { SettingsNode(.scalar($0), line: 3) }), line: 3)))
        for (key, section) in sections { all.append((key, 4, SettingsNode(.map(map(section)), line: 4))) }
        let settings = try Settings(SettingsNode(.map(all), line: 2), path: "backends.b") { String($0.dropFirst(4)) }
        let environment = BackendEnvironment(time: time) { event in self.heard.withLock { $0.append(event) } }
        return try makeBackend(type: "exec", name: "b", settings: settings, environment: environment)
    }

    /// A backend whose program is `body`.
    func backend(
        _ body: String, _ values: [String: String] = [:], _ sections: [String: [String: String]] = [:]
    ) throws -> any Backend { try make(try program(body), values, sections) }

    var events: [Event] { heard.withLock { $0 } }
    func said(_ message: String) -> [Event] { events.filter { $0.message == message } }

    // MARK: Files

    func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        _ = fputs(text, file)
    }

    func text(_ name: String) -> String? {
        guard let file = fopen("\(folder.path)/\(name)", "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += piece[..<count]
        }
    }

    /// What a program noted under `name`, once it has.
    func noted(_ name: String) async throws -> String {
        var found: String?
        try await until {
            found = self.text(name); return found != nil
        }
        return try #require(found)
    }

    /// Looks now and then, as another process tells nobody here.
    func until(_ isSo: () -> Bool) async throws {
        for _ in 0..<2000 where !isSo() { try await Task.sleep(for: .milliseconds(10)) }
        try #require(isSo(), "it does not come to that: \(events)")
    }

    static func isAlive(_ id: String) -> Bool {
        guard let id = pid_t(id) else { return false }
        guard kill(id, 0) == 0 else { return false }
        // Whoever is dead and not yet reaped by init counts as gone.
        guard let file = fopen("/proc/\(id)/stat", "r") else { return false }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = fread(&bytes, 1, bytes.count, file)
        return !String(decoding: bytes[..<count], as: UTF8.self).contains(") Z ")
    }
}

/// One attempt, and what came of it.
struct ExecAttempt: Sendable {
    var outcome: DeliveryOutcome
    /// nil where there was an answer.
    var failure: TransportFailure?

    static func make(
        _ backend: any Backend, _ chunk: Chunk, attempt: Int = 1
    ) async -> ExecAttempt {
        let transport = HTTPTransport()
        defer { transport.close() }
        let request = BackendFixture.encode(backend, chunk)
        let answer = await backend.send(request, of: chunk, attempt: attempt, over: transport)
        var failure: TransportFailure?
        if case .failure(let found) = answer { failure = found }
        return ExecAttempt(outcome: backend.outcome(of: answer, to: request), failure: failure)
    }

    /// Tries again until the program has been started again.
    static func whenStarted(_ backend: any Backend, _ chunk: Chunk) async throws -> ExecAttempt {
        for _ in 0..<100 {
            let attempt = await make(backend, chunk)
            guard case .retry(let after, let reason) = attempt.outcome, let after,
                reason.contains("started again in a while")
            else { return attempt }
            try await Task.sleep(for: after)
        }
        throw ExecFixtureError.neverStarted
    }
}

enum ExecFixtureError: Error { case neverStarted }
