import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// The protocol of `docs/programs.md`, with real programs.
@Suite(.timeLimit(.minutes(5)))
struct ExecTests {
    private let fixture: ExecFixture
    private let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3, 4, 5]), runs: 2)

    init() throws { fixture = try ExecFixture() }

    /// A program that greets and says the same to every request.
    private func answering(_ answer: String) throws -> any Backend {
        try fixture.backend("greet()\nfor head, points in requests(): say(answer=head['request'], \(answer))")
    }

    // MARK: What goes out

    @Test func `a program is greeted, and is given each request with its points and their places`() async throws {
        let backend = try fixture.backend(
            """
            note("hello", sys.stdin.readline())
            say(hello=1)
            for head, points in requests():
                note("request%d" % head["request"], json.dumps([head, points]))
                say(answer=head["request"], outcome="ok")
            """)
        #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
        #expect(await ExecAttempt.make(backend, chunk, attempt: 3).outcome == .delivered)
        #expect(try await fixture.noted("hello") == "{\"hello\":1,\"backend\":\"b\"}\n")
        for (id, attempt) in [(Int64(1), Int64(1)), (2, 3)] {
            let said = try JSONValue.parse(Array(try await fixture.noted("request\(id)").utf8)).array ?? []
            #expect(said[0]["request"] == .int(id))
            #expect(said[0]["points"] == 5)
            #expect(said[0]["attempt"] == .int(attempt))
            #expect(said[0]["tenant"] == "acme")
            let points = try #require(said[1].array)
            #expect(points.compactMap { $0["place"]?.string } == ["7.0", "7.1", "7.2", "7.3", "7.4"])
            #expect(points.compactMap { $0["value"]?.double } == [1, 2, 3, 4, 5])
        }
    }

    @Test func `a request larger than any pipe arrives whole, also when the program talks before it reads`()
        async throws
    {
        var random = SeededGenerator.fresh()
        let large = BackendFixture.chunk(RandomBatch.make(points: 20_000, series: 300, using: &random), runs: 5)
        let backend = try fixture.backend(
            """
            greet()
            sys.stderr.write("x" * 200000 + "\\n")
            for head, points in requests():
                ok = len({point["place"] for point in points}) == 20000
                say(answer=head["request"], outcome="ok" if ok else "hold")
            """)
        #expect(await ExecAttempt.make(backend, large).outcome == .delivered, "seed \(random.seed)")
    }

    // MARK: What comes back

    @Test func `each word for a whole request means what the protocol says`() async throws {
        func refused(_ words: String, _ isThere: Bool) -> DeliveryOutcome {
            .refused(DeadLetterReason(code: "refused", excerpt: words, status: 0), meansAlreadyThere: isThere)
        }
        let meanings: [(String, DeliveryOutcome)] = [
            ("outcome='ok'", .delivered),
            (
                "outcome='retry', after_ms=1500, reason='busy'",
                .retry(after: .milliseconds(1500), reason: "the program asks for a later try: busy")
            ),
            ("outcome='retry'", .retry(after: nil, reason: "the program asks for a later try")),
            ("outcome='hold', reason='no key'", .hold(reason: "the program asks to hold: no key")),
            ("outcome='refused', reason='bad'", refused("bad", false)),
            ("outcome='already_there'", refused("", true)), ("outcome='too_large'", .tooLarge(limitBytes: nil)),
            ("outcome='points', points=[]", .delivered),
        ]
        for (answer, meaning) in meanings {
            let backend = try answering(answer)
            #expect(await ExecAttempt.make(backend, chunk).outcome == meaning, "\(answer)")
        }
    }

    @Test func `a verdict is on the points that it names, across runs, and the others were taken`() async throws {
        let backend = try answering(
            """
            outcome='points', points=[{'index': 4, 'outcome': 'hold'},
                {'index': 1, 'count': 2, 'outcome': 'refused', 'reason': 'odd'},
                {'index': 3, 'outcome': 'already_there'}]
            """)
        guard case .partly(let items) = await ExecAttempt.make(backend, chunk).outcome else {
            Issue.record("not in part")
            return
        }
        #expect(items.count == 3)
        #expect(items[0].runs == [LeasedRun(piece: 0, ordinals: 1..<2), LeasedRun(piece: 0, ordinals: 2..<3)])
        #expect(items[0].verdict == .dead(DeadLetterReason(code: "refused", excerpt: "odd", status: 0)))
        #expect(items[1].runs == [LeasedRun(piece: 0, ordinals: 3..<4)] && items[1].verdict == .alreadyThere)
        #expect(items[2].runs == [LeasedRun(piece: 0, ordinals: 4..<5)])
        #expect(items[2].verdict == .hold(reason: "the program asks to hold"))
    }

    @Test func `answers may come in any order`() async throws {
        let backend = try fixture.backend(
            """
            greet()
            heads = []
            for head, points in requests():
                heads.append(head)
                if len(heads) == 2:
                    for head in reversed(heads): say(answer=head["request"], outcome="refused", reason=head["tenant"])
            """, ["ordered": "false"])
        async let first = ExecAttempt.make(backend, BackendFixture.chunk(BackendFixture.samples([1]), tenant: "one"))
        async let second = ExecAttempt.make(backend, BackendFixture.chunk(BackendFixture.samples([2]), tenant: "two"))
        for (attempt, tenant) in [(await first, "one"), (await second, "two")] {
            let reason = DeadLetterReason(code: "refused", excerpt: tenant, status: 0)
            #expect(attempt.outcome == .refused(reason, meansAlreadyThere: false))
        }
    }

    @Test(arguments: [
        ("print('hello?', flush=True)", "no JSON"),
        ("print('[1]', flush=True)", "no JSON object"),
        ("print('', flush=True)", "no JSON"),
        ("say(answer=99, outcome='ok')", "request 99, which was not sent"),
        ("say(answer=-1, outcome='ok')", "neither a hello nor an answer"),
        ("say(answer=head['request'], outcome='fine')", "without an outcome that is known"),
        ("say(answer=head['request'], outcome='ok', after_ms=1)", "after_ms goes with a retry"),
        ("say(answer=head['request'], outcome='retry', after_ms=-1)", "after_ms is no number"),
        ("say(answer=head['request'], outcome='ok', retry_after=1)", "\"retry_after\" is no member"),
        ("say(answer=head['request'], outcome='points')", "without a list of points"),
        ("say(answer=head['request'], outcome='points', points=[{'index': 5, 'outcome': 'refused'}])", "does not have"),
        (
            "say(answer=head['request'], outcome='points', points=[{'index': 0, 'count': 2, 'outcome': 'refused'}, {'index': 1, 'outcome': 'retry'}])",
            "two verdicts"
        ),
        (
            "say(answer=head['request'], outcome='points', points=[{'index': 0, 'outcome': 'ok'}])",
            "a point without an outcome"
        ),
        ("say(hello=1)", "a second hello"),
        ("print('[' * 100000, flush=True)", "no JSON"),
        ("sys.stdout.write('x' * (1 << 21)); sys.stdout.flush(); time.sleep(100)", "longer than 1048576 bytes"),
        ("sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stdout.flush()", "no JSON"),
    ])
    func `what is none of the protocol's ends the program, and what it was given may have arrived`(
        _ nonsense: String, _ words: String
    ) async throws {
        let backend = try fixture.backend(
            "note('id', os.getpid())\ngreet()\nfor head, points in requests(): \(nonsense)")
        let attempt = await ExecAttempt.make(backend, chunk)
        #expect(attempt.failure?.mayHaveArrived == true)
        #expect(attempt.failure?.reason.contains(words) == true, "\(attempt)")
        let id = try await fixture.noted("id")
        #expect(!ExecFixture.isAlive(id))
        #expect(fixture.said("the program of a backend has ended").count == 1)
    }

    @Test func `an answer that comes twice ends the program after the first one was heard`() async throws {
        let backend = try fixture.backend(
            """
            greet()
            for head, points in requests():
                say(answer=head["request"], outcome="ok")
                say(answer=head["request"], outcome="ok")
            """)
        #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
        try await fixture.until { !fixture.said("the program of a backend has ended").isEmpty }
    }

    // MARK: What an operator has to mend

    @Test func `a program that speaks another version, or is not there, holds`() async throws {
        let other = try fixture.backend("sys.stdin.readline(); say(hello=2); time.sleep(100)")
        #expect(
            await ExecAttempt.make(other, chunk).outcome
                == .hold(reason: "the program speaks version 2 of the protocol, and this node 1"))
        let missing = try fixture.make(["\(fixture.folder.path)/missing"])
        let reason = "\(fixture.folder.path)/missing cannot be started: No such file or directory"
        for _ in 0..<2 { #expect(await ExecAttempt.make(missing, chunk).outcome == .hold(reason: reason)) }
    }

    struct Mistake: Sendable, CustomTestStringConvertible {
        var command = ["/bin/cat"]
        var values: [String: String] = [:]
        var sections: [String: [String: String]] = [:]
        var words: String
        var testDescription: String { words }
    }

    @Test(arguments: [
        Mistake(command: [], words: "backends.b.command is missing"),
        Mistake(command: ["cat"], words: "must begin with an absolute path"),
        Mistake(values: ["directory": "tmp"], words: "directory must be an absolute path"),
        Mistake(sections: ["environment": ["A=B": "1"]], words: "\"A=B\" is no name of a variable"),
        Mistake(
            sections: ["environment": ["A": "1"], "secret_environment": ["A": "env:x"]], words: "A is there twice"),
        Mistake(sections: ["secret_environment": ["A": "x"]], words: "must be file:PATH or env:NAME"),
        Mistake(sections: ["limits": ["memory": "1KiB"]], words: "limits.memory must be 1MiB at least"),
        Mistake(sections: ["limits": ["cpu": "10ms"]], words: "limits.cpu must be 1s at least"),
        Mistake(sections: ["limits": ["files": "2"]], words: "limits.files"),
        Mistake(sections: ["limits": ["disk": "2"]], words: "limits.disk is not a known key"),
        Mistake(values: ["timeout": "0s"], words: "timeout must be above 0"),
    ])
    func `a mistake in the config is named`(_ mistake: Mistake) throws {
        let error = #expect(throws: SettingsError.self) {
            try fixture.make(mistake.command, mistake.values, mistake.sections)
        }
        #expect(error?.message.contains(mistake.words) == true, "\(String(describing: error))")
    }
}
