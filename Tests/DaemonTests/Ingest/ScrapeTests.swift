import Forwarder
import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Daemon

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct ScrapeTests {
    private func job(_ server: HTTPTestServer) -> ScrapeJob {
        var job = ScrapeJob(name: "node", tenant: "default", targets: ["127.0.0.1:\(server.port)"])
        job.interval = .milliseconds(20)
        job.timeout = .seconds(5)
        job.labels = [ScrapeJob.Label(name: "site", value: "north")]
        return job
    }

    /// Waits until the records say that `count` requests were stored.
    private func awaitStores(_ count: Int, _ fixture: IngestFixture) async throws {
        for _ in 0..<count { _ = try #require(await fixture.observed.next()) }
    }

    @Test func `a scrape stores the target's series with its labels, and what it took`() async throws {
        let target = try HTTPTestServer { _, _ in
            .reply(
                200, headers: [("Content-Type", "text/plain; version=0.0.4")], body: Array("a 1\nb{job=\"x\"} 2\n".utf8)
            )
        }
        let fixture = try await IngestFixture()
        let transport = HTTPTransport()
        let scraper = Scraper(ingest: fixture.ingest, transport: transport, events: { _ in })
        await scraper.apply([job(target)])
        try await awaitStores(1, fixture)
        await scraper.stop()
        let points = try await fixture.stored().prefix(5)
        let instance = "127.0.0.1:\(target.port)"
        let own = ["instance": instance, "job": "node", "site": "north"]
        #expect(points.map(\.name) == ["a", "b", "up", "scrape_duration_seconds", "scrape_samples_scraped"])
        #expect(points[0].labels == own && points[0].value == 1)
        #expect(points[1].labels == own.merging(["exported_job": "x"]) { $1 })
        #expect(points[2].value == 1)
        #expect(points[4].value == 2)
        #expect(Set(points.map(\.time)) == [IngestFixture.arrival])
        #expect(target.requests.first?.headers["accept"]?.contains("version=0.0.4") == true)
        await fixture.close()
        transport.close()
        target.stop()
    }

    @Test func `gzip is undone, and an answer that is no exposition means down`() async throws {
        let target = try HTTPTestServer { _, number in
            number == 0
                ? .reply(200, headers: [("Content-Encoding", "gzip")], body: packed(Array("a 1\n".utf8)))
                : .reply(200, body: Array("<html>".utf8))
        }
        let fixture = try await IngestFixture()
        let transport = HTTPTransport()
        let scraper = Scraper(ingest: fixture.ingest, transport: transport, events: { _ in })
        await scraper.apply([job(target)])
        try await awaitStores(2, fixture)
        await scraper.stop()
        let points = try await fixture.stored()
        #expect(points.filter { $0.name == "up" }.prefix(2).map(\.value) == [1, 0])
        // The series that the second scrape did not bring ends there.
        let series = points.filter { $0.name == "a" }
        #expect(series.prefix(2).map(\.bits) == [Double(1).bitPattern, FloatBits.staleMarker])
        await fixture.close()
        transport.close()
        target.stop()
    }

    @Test func `a target that leaves its discovery file gets stale markers, a changed file is followed`() async throws {
        let target = try HTTPTestServer { _, _ in .reply(200, body: Array("a 1\n".utf8)) }
        let fixture = try await IngestFixture()
        let folder = try TemporaryFolder()
        let path = folder.path + "/targets.json"
        try write("[{\"targets\":[\"127.0.0.1:\(target.port)\"],\"labels\":{\"rack\":\"7\"}}]", to: path)
        var job = job(target)
        job.targets = []
        job.fileDiscovery = [path]
        job.interval = .milliseconds(50)
        let transport = HTTPTransport()
        let turns = Mailbox<Void>()
        let scraper = Scraper(
            ingest: fixture.ingest, transport: transport, events: { _ in },
            sleep: { duration in
                // Time passes quickly here: the watcher looks often.
                try await Task.sleep(for: min(duration, .milliseconds(20)))
                turns.put(())
            })
        await scraper.apply([job])
        try await awaitStores(1, fixture)
        try write("[]", to: path)
        while await scraper.targets > 0 { _ = await turns.next() }
        await scraper.stop()
        let points = try await fixture.stored()
        #expect(points.first?.labels["rack"] == "7")
        for name in ["a", "up", "scrape_duration_seconds", "scrape_samples_scraped"] {
            #expect(points.last { $0.name == name }?.bits == FloatBits.staleMarker, "\(name)")
        }
        await fixture.close()
        transport.close()
        target.stop()
    }

    @Test func `a target is never scraped twice at once`() async throws {
        let gate = HTTPTestGate()
        let target = try HTTPTestServer { _, number in
            number == 0
                ? .wait(gate, then: .reply(200, body: Array("a 1\n".utf8))) : .reply(200, body: Array("a 2\n".utf8))
        }
        let fixture = try await IngestFixture()
        let transport = HTTPTransport()
        let turns = Mailbox<Void>()
        let scraper = Scraper(
            ingest: fixture.ingest, transport: transport, events: { _ in },
            sleep: { _ in
                turns.put(())
                try await Task.sleep(for: .milliseconds(1))
            })
        await scraper.apply([job(target)])
        await target.received(1)
        // A reload that changes nothing starts no second loop.
        await scraper.apply([job(target)])
        #expect(await scraper.targets == 1)
        // One wait before the first scrape. The next one begins only when that scrape's points are stored, however many
        // intervals it hangs: so this wait is the only one until the gate opens, and the store comes before the second.
        _ = try #require(await turns.next())
        #expect(turns.count == 0)
        #expect(target.requests.count == 1)
        gate.open()
        try await awaitStores(1, fixture)
        _ = try #require(await turns.next())
        try await awaitStores(1, fixture)
        await scraper.stop()
        await fixture.close()
        transport.close()
        target.stop()
    }

    private func write(_ text: String, to path: String) throws {
        // As tools do it: beside, then renamed.
        let file = try #require(fopen(path + ".new", "w"))
        fputs(text, file)
        fclose(file)
        #expect(rename(path + ".new", path) == 0)
    }
}

@Suite struct ScrapeScheduleTests {
    @Test func `a target keeps its place on the grid, and a late scrape skips points instead of piling up`() {
        let schedule = ScrapeSchedule(interval: .seconds(10), hash: 3_000_000_000)
        #expect(schedule.delay(after: 1_000_000_000_000_000_000) == .seconds(3))
        #expect(schedule.delay(after: 1_000_000_003_000_000_000) == .seconds(10))
        #expect(schedule.delay(after: 1_000_000_027_500_000_000) == .milliseconds(5500))
        #expect(schedule.firstDelay < .seconds(1))
    }

    @Test func `targets of one job are spread over the interval`() {
        let job = ScrapeJob(name: "j", tenant: "t", targets: [])
        let tenths = (0..<1000).map { number in
            let hash = ScrapeTarget(job, address: "host-\(number):9100").hash
            return ScrapeSchedule(interval: .seconds(10), hash: hash).offsetNanoseconds / 1_000_000_000
        }
        for tenth in 0..<10 { #expect((50...150).contains(tenths.filter { $0 == tenth }.count)) }
    }

    @Test func `an address becomes a URL and an instance without secrets`() {
        var job = ScrapeJob(name: "j", tenant: "t", targets: [])
        job.metricsPath = "/m"
        #expect(ScrapeTarget(job, address: "h:1").url == "http://h:1/m")
        #expect(ScrapeTarget(job, address: "https://h:1").url == "https://h:1/m")
        let whole = ScrapeTarget(job, address: "http://user:secret@h:1/other?x=1")
        #expect(whole.url == "http://user:secret@h:1/other?x=1")
        #expect(whole.instance == "h:1")
        #expect(ScrapeTarget(job, address: "h:1", labels: [.init(name: "instance", value: "n")]).instance == "n")
    }
}
