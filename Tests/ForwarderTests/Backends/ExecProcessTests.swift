import Forwarder
import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What becomes of requests and processes when a program dies, hangs, forks or has to go, and what a program is given.
@Suite(.timeLimit(.minutes(5)))
struct ExecProcessTests {
    private let fixture: ExecFixture
    private let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3]))

    init() throws { fixture = try ExecFixture() }

    // MARK: Ends

    @Test func `after SIGKILL in the middle the request may have arrived, and the next life takes it`() async throws {
        let backend = try fixture.backend(
            """
            greet()
            for head, points in requests():
                if not os.path.exists(FOLDER + "/id"):
                    note("id", os.getpid())
                    time.sleep(100)
                say(answer=head["request"], outcome="ok")
            """)
        async let first = ExecAttempt.make(backend, chunk)
        let id = try #require(pid_t(try await fixture.noted("id")))
        kill(id, SIGKILL)
        #expect(
            await first.failure == TransportFailure(mayHaveArrived: true, reason: "the program was ended by signal 9"))
        #expect(try await ExecAttempt.whenStarted(backend, chunk).outcome == .delivered)
    }

    @Test func `an answer that was given before the end counts`() async throws {
        let backend = try fixture.backend(
            "greet()\nfor head, points in requests():\n    say(answer=head['request'], outcome='ok')\n    os._exit(3)")
        #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
        try await fixture.until { !fixture.said("the program of a backend has ended").isEmpty }
        let event = try #require(fixture.said("the program of a backend has ended").first)
        #expect(event.metadata["ending"] == "exited with status 3")
        #expect(event.metadata["backend"] == "b")
    }

    @Test func `a program that hangs is killed when its time is over`() async throws {
        let backend = try fixture.backend(
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nnote('id', os.getpid())\ngreet()\nfor head, points in requests(): time.sleep(100)",
            ["timeout": "700ms"])
        let attempt = await ExecAttempt.make(backend, chunk)
        #expect(attempt.failure?.mayHaveArrived == true)
        #expect(attempt.failure?.reason == "the program did not answer within 0.7 seconds")
        #expect(!ExecFixture.isAlive(try await fixture.noted("id")))
    }

    @Test func `a program that does not greet is given nothing`() async throws {
        let backend = try fixture.backend("time.sleep(100)", ["start_timeout": "200ms"])
        let attempt = await ExecAttempt.make(backend, chunk)
        #expect(
            attempt.failure
                == TransportFailure(mayHaveArrived: false, reason: "the program did not greet within 0.2 seconds"))
    }

    @Test func `a program that does not read is killed when its time is over`() async throws {
        var random = SeededGenerator.fresh()
        let large = BackendFixture.chunk(RandomBatch.make(points: 5000, series: 300, using: &random))
        let backend = try fixture.backend("greet()\ntime.sleep(100)", ["timeout": "500ms"])
        #expect(await ExecAttempt.make(backend, large).failure?.mayHaveArrived == true)
    }

    @Test func `a program that dies at once is started less and less often, until it has answered`() async throws {
        let now = Mutex<Int64>(0)
        let time = TimeSource(wall: { 0 }, boot: { now.withLock { $0 } }, bootID: { "a boot" })
        let command = try fixture.program(
            """
            lives = len(os.listdir(FOLDER))
            note("life%d" % lives, "")
            if lives < 13: sys.exit(4)
            greet()
            for head, points in requests():
                say(answer=head["request"], outcome="ok")
                sys.exit(5)
            """)
        let backend = try fixture.make(command, ["restart_after": "100ms"], time: time)
        var waits: [Duration] = []
        for life in 1...13 {
            let attempt = await ExecAttempt.make(backend, chunk)
            if life == 13 {
                #expect(attempt.outcome == .delivered)
                try await fixture.until { fixture.said("the program of a backend has ended").count == 13 }
            } else {
                let reason = "the program exited with status 4"
                #expect(attempt.failure == TransportFailure(mayHaveArrived: false, reason: reason), "life \(life)")
            }
            guard case .retry(let after?, _) = await ExecAttempt.make(backend, chunk).outcome else {
                Issue.record("life \(life) is followed by another at once")
                return
            }
            waits.append(after)
            now.withLock { $0 += after.wholeNanoseconds }
        }
        #expect(waits.prefix(4) == [.milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800)])
        #expect(waits[11] == .seconds(60), "no wait is longer")
        #expect(waits[12] == .milliseconds(100))
    }

    @Test func `a tenant whose points end the program waits longer each time, and the others do not`() async throws {
        let now = Mutex<Int64>(0)
        let time = TimeSource(wall: { 0 }, boot: { now.withLock { $0 } }, bootID: { "a boot" })
        let command = try fixture.program(
            """
            greet()
            for head, points in requests():
                if head["tenant"] == "acme": os._exit(7)
                say(answer=head["request"], outcome="ok")
            """)
        let backend = try fixture.make(command, ["restart_after": "100ms"], time: time)
        let other = BackendFixture.chunk(BackendFixture.samples([1]), tenant: "other")
        func pass(_ milliseconds: Int64) {
            now.withLock { $0 += Duration.milliseconds(milliseconds).wholeNanoseconds }
        }
        for wait in [100, 200, 400] as [Int64] {
            #expect(await ExecAttempt.make(backend, chunk).failure?.mayHaveArrived == true)
            pass(100)
            #expect(await ExecAttempt.make(backend, other).outcome == .delivered, "\(wait)")
            guard wait > 100 else { continue }
            guard case .retry(let after, _) = await ExecAttempt.make(backend, chunk).outcome else {
                Issue.record("it is given to the program again")
                return
            }
            #expect(after == .milliseconds(wait - 100))
            pass(wait - 100)
        }
        // Nor are the others made to wait by lives in which nobody else came.
        for wait in [800, 1600, 3200] as [Int64] {
            #expect(await ExecAttempt.make(backend, chunk).failure?.mayHaveArrived == true)
            if wait < 3200 { pass(wait) }
        }
        pass(100)
        #expect(await ExecAttempt.make(backend, other).outcome == .delivered)
    }

    @Test func `what a program forked is killed with it, also when that holds its output open`() async throws {
        let backend = try fixture.backend(
            """
            greet()
            for head, points in requests():
                child = os.fork()
                if child == 0:
                    time.sleep(1000)
                note("id", child)
                os._exit(0)
            """)
        let attempt = await ExecAttempt.make(backend, chunk)
        #expect(attempt.failure == TransportFailure(mayHaveArrived: true, reason: "the program exited with status 0"))
        let child = try await fixture.noted("id")
        try await fixture.until { !ExecFixture.isAlive(child) }
    }

    // MARK: Going

    @Test func `a program that nobody needs sees the end of its input, and may finish`() async throws {
        do {
            let backend = try fixture.backend(
                "greet()\nfor head, points in requests(): say(answer=head['request'], outcome='ok')\nnote('end', 'done')"
            )
            #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
        }
        #expect(try await fixture.noted("end") == "done")
        try await fixture.until { !fixture.said("the program of a backend has ended").isEmpty }
        let event = try #require(fixture.said("the program of a backend has ended").first)
        #expect(event.level == .info && event.metadata["ending"] == "exited with status 0")
    }

    @Test func `a request that is cancelled ends at once, and its late answer does no harm`() async throws {
        let backend = try fixture.backend(
            """
            greet()
            for head, points in requests():
                note("got%d" % head["request"], "")
                while head["request"] == 1 and not os.path.exists(FOLDER + "/go"): time.sleep(0.01)
                say(answer=head["request"], outcome="ok")
            """)
        let first = Task { [chunk] in await ExecAttempt.make(backend, chunk) }
        _ = try await fixture.noted("got1")
        first.cancel()
        #expect(
            await first.value.failure == TransportFailure(mayHaveArrived: true, reason: "the request was cancelled"))
        async let second = ExecAttempt.make(backend, chunk)
        try fixture.write("", to: "\(fixture.folder.path)/go")
        #expect(await second.outcome == .delivered)
        #expect(fixture.said("the program of a backend was started").count == 1)
    }

    // MARK: What it is given

    @Test func `a program has the variables and descriptors of the config, and no others`() async throws {
        setenv("HOLDFAST_EXEC_TEST", "leaked", 1)
        let held = open("/dev/null", O_RDONLY)
        defer { close(held) }
        let backend = try fixture.backend(
            """
            greet()
            for head, points in requests():
                opened = sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name))
                note("given", json.dumps([dict(os.environ), opened, os.getcwd(), os.getpgid(0) == os.getpid()]))
                say(answer=head["request"], outcome="ok")
            """, ["directory": fixture.folder.path],
            ["environment": ["SITE": "harbour", "LC_ALL": "C.UTF-8"], "secret_environment": ["KEY": "env:geheim"]])
        #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
        let given = try JSONValue.parse(Array(try await fixture.noted("given").utf8)).array ?? []
        let variables = (given[0].object ?? []).map { "\($0.key)=\($0.value.string ?? "")" }.sorted()
        #expect(variables == ["KEY=geheim", "LC_ALL=C.UTF-8", "SITE=harbour"])
        #expect(given[1] == .array([0, 1, 2]))
        #expect(given[2].string == fixture.folder.path)
        #expect(given[3] == true)
        #expect(!"\(backend)".contains("geheim"))
    }

    @Test func `a program has its limits before it is given anything`() async throws {
        let backend = try fixture.backend(
            """
            import resource
            greet()
            for head, points in requests():
                kinds = [resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE]
                note("limits", json.dumps([resource.getrlimit(kind)[0] for kind in kinds]))
                say(answer=head["request"], outcome="ok")
            """, [:], ["limits": ["memory": "512MiB", "cpu": "60s", "files": "32"]])
        #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
        #expect(try await fixture.noted("limits") == "[536870912, 60, 32]")
    }

    @Test func `a program that takes more memory than it may ends, and says so`() async throws {
        let backend = try fixture.backend(
            "greet()\nfor head, points in requests(): held = bytearray(1 << 30)", [:], ["limits": ["memory": "256MiB"]])
        let attempt = await ExecAttempt.make(backend, chunk)
        #expect(attempt.failure == TransportFailure(mayHaveArrived: true, reason: "the program exited with status 1"))
        let said = fixture.said("the program of a backend said something").compactMap { $0.metadata["line"] }
        #expect(said.contains { $0.contains("MemoryError") }, "\(said)")
    }

    // MARK: What it says beside

    @Test func `its standard error becomes events, so many and so long`() async throws {
        let backend = try fixture.backend(
            """
            greet()
            for head, points in requests():
                sys.stderr.write("first\\tline\\n\\n")
                sys.stderr.write("y" * 5000000 + "\\n")
                for number in range(50000): sys.stderr.write("line %d\\n" % number)
                sys.stderr.flush()
                say(answer=head["request"], outcome="ok")
                os._exit(0)
            """)
        #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
        try await fixture.until { !fixture.said("the program of a backend has ended").isEmpty }
        let said = fixture.said("the program of a backend said something").compactMap { $0.metadata["line"] }
        #expect(said.first == "first line")
        #expect(said[1] == String(repeating: "y", count: 1024) + " ...")
        #expect((20...40).contains(said.count), "\(said.count) lines in one window, or two")
    }
}
