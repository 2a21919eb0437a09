import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

#if canImport(Glibc)
    import Glibc
#endif

/// What is on a page, and what is not. <https://prometheus.io/docs/instrumenting/exposition_formats/>
@Suite(.timeLimit(.minutes(2)))
struct ExpositionTests {
    private static let base = SecondsClock.base
    private static let second: Int64 = 1_000_000_000
    private static let root = String(#filePath.dropLast("Tests/ForwarderTests/Backends/ExpositionTests.swift".count))

    /// - Parameter board: of the node, which outlives a backend.
    private func make(
        _ values: [String: String] = [:], clock: SecondsClock = SecondsClock(),
        board: ExpositionBoard = ExpositionBoard()
    ) throws -> PrometheusExposition {
        let made = try BackendFixture.make(
            "prometheus_exposition", values, environment: BackendEnvironment(time: clock.time, board: board))
        return try #require(made as? PrometheusExposition)
    }

    /// - Parameter points: series as `name` or `name:number`, seconds after `base`, and values.
    private func batch(_ points: [(String, Int64, Double)]) -> Batch {
        var batch = Batch()
        for (series, seconds, value) in points {
            let parts = series.split(separator: ":")
            let labels = parts.count > 1 ? [("number", String(parts[1]))] : []
            let id = BackendFixture.series(String(parts[0]), labels, in: &batch)
            batch.points.appendFloat64(series: id, time: Self.base + seconds * Self.second, bits: value.bitPattern)
        }
        return batch
    }

    private static let stale = Double(bitPattern: 0x7ff0_0000_0000_0002)

    private func expose(
        _ backend: PrometheusExposition, _ points: [(String, Int64, Double)], tenant: String = "acme"
    ) async {
        let chunk = BackendFixture.chunk(batch(points), tenant: tenant)
        guard BackendFixture.encode(backend, chunk).points > 0 else { return }
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
    }

    private func lines(
        _ backend: PrometheusExposition, tenant: String = "acme", _ form: ExpositionPage.Form = .text
    ) -> [String] {
        let text = String(decoding: backend.page(of: tenant, form).bytes, as: UTF8.self)
        return text.split(separator: "\n").map { String($0) }.sorted()
    }

    private func reasons(_ backend: PrometheusExposition, _ points: [(String, Int64, Double)]) -> [String] {
        let request = BackendFixture.encode(backend, BackendFixture.chunk(batch(points)))
        return request.excluded.flatMap { excluded in excluded.run.ordinals.map { "\($0) \(excluded.reason)" } }
    }

    // MARK: What is on it

    @Test func `a page has the newest value of each series, without times, of its tenant`() async throws {
        let backend = try make()
        await expose(backend, [("up:1", -9, 1), ("up:2", -8, .nan), ("b", -8, .infinity), ("up:1", -5, 3)])
        await expose(backend, [("up:1", -5, 9)], tenant: "other")
        #expect(lines(backend) == ["b +Inf", "up{number=\"1\"} 3", "up{number=\"2\"} NaN"])
        #expect(lines(backend, tenant: "other") == ["up{number=\"1\"} 9"])
        #expect(lines(backend, tenant: "nobody") == [])
    }

    @Test func `with timestamps each line has its point's, as the format has it`() async throws {
        let backend = try make(["timestamps": "true"])
        await expose(backend, [("a", -9, 1)])
        #expect(lines(backend) == ["a 1 1789999991000"])
        #expect(lines(backend, .openMetrics) == ["# EOF", "a 1 1789999991.000"])
    }

    @Test func `an OpenMetrics page ends in its mark, also an empty one`() throws {
        #expect(try make().page(of: "acme", .openMetrics).bytes == Array("# EOF\n".utf8))
        #expect(try make().page(of: "acme", .text).bytes == [])
    }

    @Test func `the lines of a family stand together`() async throws {
        let backend = try make()
        await expose(backend, (0..<200).map { ("m\($0 % 7):\($0)", -1, Double($0)) })
        let names = String(decoding: backend.page(of: "acme", .text).bytes, as: UTF8.self).split(separator: "\n")
            .map { $0.prefix { $0 != "{" } }
        let changes = zip(names, names.dropFirst()).count { $0 != $1 }
        #expect(names.count == 200 && changes == 6)
    }

    @Test func `a histogram is its buckets, sum and count, and each of its lines is there once`() async throws {
        let backend = try make()
        var batch = batch([("h_count", -1, 7), ("h_sum", -1, 8)])
        let id = BackendFixture.series("h", [], in: &batch)
        let histogram = ExplicitHistogram(
            count: 3, sumBits: Double(2.5).bitPattern, bounds: [Double(1).bitPattern], bucketCounts: [2, 1])
        batch.append(series: id, time: Self.base - Self.second, explicit: histogram)
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(batch)) == .delivered)
        #expect(lines(backend) == ["h_bucket{le=\"+Inf\"} 3", "h_bucket{le=\"1\"} 2", "h_count 3", "h_sum 2.5"])
    }

    // MARK: No past

    @Test func `a backlog collapses to the last values, and the rest of it is excluded`() async throws {
        let backend = try make()
        let backlog = (0..<50).map { ("a", Int64($0) - 60, Double($0)) }
        let reasons = reasons(backend, backlog)
        #expect(reasons.count == 49)
        #expect(reasons.allSatisfy { $0.hasSuffix(" a newer value of its series is in the request") })
        await expose(backend, backlog)
        #expect(lines(backend) == ["a 49"])
    }

    @Test func `what is older than expiry is not exposed, nor is what is as far ahead`() throws {
        let points: [(String, Int64, Double)] = [("a", -301, 1), ("b", -299, 1), ("c", 301, 1)]
        #expect(
            reasons(try make(), points) == [
                "0 older than expiry", "2 ahead of this node's clock by more than expiry",
            ])
        #expect(reasons(try make(["expiry": "0"]), points).isEmpty)
    }

    @Test func `a point that cannot be shown supersedes none that can`() throws {
        #expect(
            reasons(try make(), [("a", -9, 1), ("a", 400, 2)]) == [
                "1 ahead of this node's clock by more than expiry"
            ])
    }

    @Test func `an older value never takes the place of a newer one`() async throws {
        let backend = try make()
        await expose(backend, [("a", -10, 1)])
        #expect(reasons(backend, [("a", -20, 2), ("b", -20, 2)]) == ["0 a newer value of its series is exposed"])
        #expect(reasons(backend, [("a", -10, 1)]).isEmpty, "the same again is the same")
        #expect(reasons(backend, [("b", -1, 1), ("b", -5, 2)]) == ["1 a newer value of its series is in the request"])
    }

    @Test func `a series without a newer value for as long as expiry leaves the page`() async throws {
        let clock = SecondsClock()
        let backend = try make(["expiry": "60s"], clock: clock)
        await expose(backend, [("a", 0, 1), ("b", 30, 1)])
        clock.set(60)
        #expect(lines(backend) == ["a 1", "b 1"])
        clock.set(61)
        #expect(lines(backend) == ["b 1"])
        clock.set(1000)
        #expect(lines(backend) == [])
    }

    @Test func `a stale marker takes its series off the page, and is never a value on it`() async throws {
        let backend = try make()
        await expose(backend, [("a", -10, 1), ("b", -10, 1)])
        let end: [(String, Int64, Double)] = [("a", -5, Self.stale), ("c", -5, Self.stale)]
        #expect(reasons(backend, end).isEmpty)
        await expose(backend, end)
        #expect(lines(backend) == ["b 1"])
        await expose(backend, [("a", -1, 2), ("b", -3, 2), ("b", -2, Self.stale)])
        #expect(lines(backend) == ["a 2"])
    }

    // MARK: Bounds

    @Test func `there are so many lines and no more, and what has expired has no place`() async throws {
        let clock = SecondsClock()
        let backend = try make(["max_series": "2", "expiry": "60s"], clock: clock)
        await expose(backend, [("a", 0, 1), ("b", 0, 1)])
        #expect(reasons(backend, [("c", 0, 1), ("a", 0, 2)]) == ["0 more series than max_series"])
        #expect(reasons(try make(["max_series": "2"]), [("a", 0, 1), ("b", 0, 1), ("c", 0, 1)]).count == 1)
        clock.set(61)
        await expose(backend, [("a", 61, 2)])
        await expose(backend, [("c", 61, 3)])
        #expect(lines(backend) == ["a 2", "c 3"])
    }

    @Test func `a full page has room again when what is on it has expired, whatever comes`() async throws {
        let clock = SecondsClock()
        let backend = try make(["max_series": "2", "expiry": "60s"], clock: clock)
        await expose(backend, [("a", 0, 1), ("b", 0, 1)])
        clock.set(61)
        await expose(backend, [("c", 61, 3)])
        #expect(lines(backend) == ["c 3"])
    }

    @Test(arguments: ["5m", "0"]) func `a value that came while the clock was ahead keeps no later one away`(
        expiry: String
    ) async throws {
        let clock = SecondsClock()
        let backend = try make(["expiry": expiry], clock: clock)
        clock.set(86_400)
        await expose(backend, [("a", 86_400, 1)])
        clock.set(0)
        #expect(lines(backend) == [])
        await expose(backend, [("a", 0, 2)])
        #expect(lines(backend) == ["a 2"])
    }

    @Test func `an older value does not bring back a series that has ended`() async throws {
        let backend = try make()
        await expose(backend, [("a", -10, 1)])
        await expose(backend, [("a", -5, Self.stale)])
        #expect(reasons(backend, [("a", -7, 2)]) == ["0 a newer value of its series is exposed"])
        await expose(backend, [("a", -4, 3)])
        #expect(lines(backend) == ["a 3"])
    }

    @Test func `a page that may have fewer lines than it has takes newer values of those, and no others`() async throws
    {
        let board = ExpositionBoard()
        await expose(try make(board: board), [("a", -9, 1), ("b", -9, 1), ("c", -9, 1)])
        let smaller = try make(["max_series": "1"], board: board)
        #expect(reasons(smaller, [("d", -8, 1)]) == ["0 more series than max_series"])
        await expose(smaller, [("b", -8, 2)])
        #expect(lines(smaller) == ["a 1", "b 2", "c 1"])
    }

    @Test func `what another request took the place of is not called delivered`() async throws {
        let backend = try make(["max_series": "1"])
        let (first, second) = (BackendFixture.chunk(batch([("a", -9, 1)])), BackendFixture.chunk(batch([("b", -9, 1)])))
        let encoded = BackendFixture.encode(backend, second)
        #expect(await BackendFixture.deliver(backend, first) == .delivered)
        let answer = await backend.send(encoded, of: second, attempt: 1, over: HTTPTransport())
        guard case .encodeAnew = backend.outcome(of: answer, to: encoded) else {
            Issue.record("\(answer)")
            return
        }
        #expect(lines(backend) == ["a 1"])
    }

    @Test func `a backend that a reload changed goes on with the page it had, and one that went has none`() async throws
    {
        let board = ExpositionBoard()
        await expose(try make(board: board), [("a", 0, 1)])
        let changed = try make(["max_series": "7"], board: board)
        #expect(lines(changed) == ["a 1"])
        board.keep { backend, tenant in (backend, tenant) != ("b", "acme") }
        #expect(lines(changed) == [])
    }

    @Test func `pages are read while they are written`() async throws {
        let backend = try make()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    await expose(backend, (0..<50).map { ("m:\($0)", -9 + Int64(number), Double(number)) })
                }
                group.addTask { _ = lines(backend) }
            }
        }
        #expect(lines(backend).count == 50 && lines(backend).allSatisfy { $0.hasSuffix(" 7") })
    }

    // MARK: Prometheus' own reader

    @Test(arguments: [false, true])
    func `prometheus_client reads random points in both forms`(hasTimes: Bool) async throws {
        var random = SeededGenerator.fresh()
        let backend = try make(["expiry": "0", "timestamps": "\(hasTimes)"])
        for sequence in 1...8 {
            let chunk = BackendFixture.chunk(
                RandomBatch.make(points: 200, series: 25, using: &random), sequence: Int64(sequence), runs: 3)
            guard BackendFixture.encode(backend, chunk).points > 0 else { continue }
            #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        }
        let folder = try TemporaryFolder()
        for form in ExpositionPage.Form.allCases {
            let page = backend.page(of: "acme", form).bytes
            let file = try #require(fopen(folder.path + "/page", "w"))
            fwrite(page, 1, page.count, file)
            fclose(file)
            let count = page.count { $0 == UInt8(ascii: "\n") } - (form == .openMetrics ? 1 : 0)
            #expect(count > 20)
            let process = try ChildProcess(
                PythonTool.program("python3"),
                [
                    Self.root + "Tests/ForwarderTests/Backends/exposition_page.py",
                    form == .text ? "text" : "openmetrics", folder.path + "/page", "\(count)",
                ], output: .discarded)
            #expect(process.wait() == .exited(0), "\(form), seed \(random.seed)")
        }
    }
}
