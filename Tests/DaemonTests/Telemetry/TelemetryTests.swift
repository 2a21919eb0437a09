import Forwarder
import Metrics
import Synchronization
import Testing
import WALStore

@testable import Daemon

@Suite struct TelemetryTests {
    @Test func `a histogram's buckets are cumulative and end in all of them`() {
        let family = HistogramFamily(labels: ["source"]) { DurationHistogram() }
        let histogram = family.with("json")
        for nanoseconds: Int64 in [50_000, 100_000, 100_001, 40_000_000_000] {
            histogram.record(nanoseconds: nanoseconds)
        }
        var page = ExpositionWriter()
        page.histograms("h", "Help.", family)
        let lines = String(decoding: page.bytes, as: UTF8.self).split(separator: "\n")
        #expect(lines.contains("h_bucket{source=\"json\",le=\"0.0001\"} 2"))
        #expect(lines.contains("h_bucket{source=\"json\",le=\"0.00025\"} 3"))
        #expect(lines.contains("h_bucket{source=\"json\",le=\"30\"} 3"))
        #expect(lines.contains("h_bucket{source=\"json\",le=\"+Inf\"} 4"))
        #expect(lines.contains("h_count{source=\"json\"} 4"))
    }

    @Test func `label values and help are escaped as the format asks`() {
        var page = ExpositionWriter()
        page.family("m", .gauge, "a\\b\nc \"d\"")
        page.sample("m", [("l", "a\\b\n\"c\""), ("empty", "")], 1.5)
        #expect(
            String(decoding: page.bytes, as: UTF8.self)
                == "# HELP m a\\\\b\\nc \"d\"\n# TYPE m gauge\nm{l=\"a\\\\b\\n\\\"c\\\"\"} 1.5\n")
    }

    @Test func `numbers are written as the format knows them`() {
        #expect(ExpositionWriter.text(.infinity) == "+Inf")
        #expect(ExpositionWriter.text(-.infinity) == "-Inf")
        #expect(ExpositionWriter.text(.nan) == "NaN")
        #expect(ExpositionWriter.text(12) == "12")
        #expect(ExpositionWriter.text(1e300) == "1e+300")
    }

    @Test func `a rate is right from the first second and forgets within minutes`() {
        let meter = RateMeter(now: 0)
        let second: Int64 = 1_000_000_000
        for now in 1...10 { meter.add(1000, now: Int64(now) * second) }
        let early = meter.perSecond(now: 10 * second)
        #expect((900...1100).contains(early), "\(early)")
        #expect(meter.perSecond(now: 600 * second) < 1)
    }

    @Test func `a rate ends soon after the last point, and not in the pauses of who sends now and then`() {
        let second: Int64 = 1_000_000_000
        let busy = RateMeter(now: 0)
        for now in 1...30 { busy.add(1000, now: Int64(now) * second) }
        #expect(busy.perSecond(now: 34 * second) > 500)
        #expect(busy.perSecond(now: 42 * second) == 0)
        let scraped = RateMeter(now: 0)
        for now in 1...10 { scraped.add(3000, now: Int64(now * 30) * second) }
        let rate = scraped.perSecond(now: 329 * second)
        #expect((30...150).contains(rate), "\(rate)")
        #expect(scraped.perSecond(now: 400 * second) == 0)
    }

    @Test func `a removed tenant leaves the page`() {
        let telemetry = Telemetry()
        for tenant in ["a", "b", ""] {
            telemetry.ingested(
                tenant: tenant, source: "json", status: 200, points: 1, refusals: [], bytes: 1, nanoseconds: 1)
        }
        telemetry.forget(tenantsExcept: ["b"])
        #expect(telemetry.ingestRequests.all.map { $0.values[0] } == ["", "b"])
    }

    @Test func `counters add up over threads`() async {
        let family = CounterFamily(labels: ["code"]) { Counter() }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { for _ in 0..<1000 { family.with("ok").add() } } }
        }
        #expect(family.with("ok").total == 8000)
    }

    @Test func `the page carries every term of the equation and says whether they add up`() {
        var ledger = BackendLedger()
        ledger.name = "central"
        ledger.owedPoints = 21
        ledger.pendingPoints = 1
        ledger.deliveredPoints = 2
        ledger.assumedPoints = 3
        ledger.deadPoints = 4
        ledger.lostPoints = 5
        ledger.excludedPoints = 6
        var spool = SpoolStatus()
        spool.tenant = "acme"
        spool.backends = [ledger]
        let report = StatusReport(
            isRunning: true, dataDirectory: "x",
            tenants: [StatusReport.Tenant(spool, lanes: [], pointsIn: 0)])
        let page = MetricsPage(report: report, lanes: [], telemetry: Telemetry(), connections: 0, heldBytes: 0)
        let lines = String(decoding: page.render(), as: UTF8.self).split(separator: "\n")
        for (name, value) in [
            ("owed_points_total", 21), ("pending_points", 1), ("delivered_points_total", 2),
            ("assumed_points_total", 3), ("dead_points", 4), ("lost_points_total", 5), ("excluded_points_total", 6),
            ("ledger_balances", 1),
        ] {
            #expect(lines.contains("holdfast_\(name){tenant=\"acme\",backend=\"central\"} \(value)"), "\(name)")
        }
    }

    @Test func `where there is a backlog, status and metrics say how far each lane is behind`() {
        var ledger = BackendLedger()
        ledger.name = "central"
        (ledger.owedPoints, ledger.pendingPoints, ledger.backlogPoints) = (1_300_000, 1_300_000, 1_200_000)
        (ledger.oldestFreshAgeSeconds, ledger.oldestBacklogAgeSeconds) = (2, 10_800)
        ledger.oldestPendingAgeSeconds = 10_800
        var spool = SpoolStatus()
        spool.tenant = "acme"
        spool.backends = [ledger]
        func report() -> StatusReport {
            StatusReport(
                isRunning: true, dataDirectory: "x", tenants: [StatusReport.Tenant(spool, lanes: [], pointsIn: 0)])
        }
        #expect(
            StatusTable.text(report().json).contains(
                "acme/central: fresh points wait 2s; the backlog has 1,200,000 points, the oldest 3h0m old\n"),
            "\(StatusTable.text(report().json))")
        let page = MetricsPage(report: report(), lanes: [], telemetry: Telemetry(), connections: 0, heldBytes: 0)
        let lines = String(decoding: page.render(), as: UTF8.self).split(separator: "\n")
        for (lane, points, seconds) in [("live", 100_000, 2), ("backlog", 1_200_000, 10_800)] {
            let labels = "{tenant=\"acme\",backend=\"central\",lane=\"\(lane)\"}"
            #expect(lines.contains("holdfast_lane_pending_points\(labels) \(points)"))
            #expect(lines.contains("holdfast_lane_oldest_pending_seconds\(labels) \(seconds)"))
        }
        spool.backends[0].backlogPoints = 0
        #expect(!StatusTable.text(report().json).contains("the backlog has"))
    }

    @Test func `points that drop_newest turned away are owed and lost in status and metrics`() {
        var spool = SpoolStatus()
        spool.tenant = "acme"
        spool.acceptedPoints = 10
        spool.droppedAtIngestPoints = 7
        for name in ["central", "gone"] {
            var ledger = BackendLedger()
            ledger.name = name
            ledger.owedPoints = 10
            ledger.deliveredPoints = 8
            ledger.lostPoints = 2
            ledger.isDetached = name == "gone"
            spool.backends.append(ledger)
        }
        let tenant = StatusReport.Tenant(spool, lanes: [], pointsIn: 0)
        #expect(tenant.backends.map(\.ledger.lostPoints) == [9, 2])
        #expect(tenant.backends.map(\.ledger.owedPoints) == [17, 10])
        #expect(tenant.backends.allSatisfy { $0.ledger.balances })
        let report = StatusReport(isRunning: true, dataDirectory: "x", tenants: [tenant])
        let page = MetricsPage(report: report, lanes: [], telemetry: Telemetry(), connections: 0, heldBytes: 0)
        let text = String(decoding: page.render(), as: UTF8.self)
        #expect(text.contains("holdfast_lost_points_total{tenant=\"acme\",backend=\"central\"} 9\n"))
        #expect(text.contains("holdfast_dropped_points_total{tenant=\"acme\"} 7\n"))
        #expect(report.json["tenants"]?.array?.first?["backends"]?.array?.first?["lost_points"]?.int == 9)
        #expect(
            StatusTable.text(report.json).contains(
                "7 points found no room (budget, or free-space reserve) and were dropped"))
    }

    @Test func `the times until full and until drained follow the rates, and are absent without growth`() throws {
        var spool = SpoolStatus()
        spool.tenant = "acme"
        spool.maximumBytes = 1_000_000
        spool.databaseBytes = 400_000
        var ledger = BackendLedger()
        ledger.name = "central"
        ledger.owedPoints = 40_000
        ledger.pendingPoints = 40_000
        ledger.pendingBytes = 400_000
        spool.backends = [ledger]
        // 600,000 bytes left, ten a point, a hundred points a second that nobody takes.
        let growing = StatusReport.Tenant(spool, lanes: [], pointsIn: 100)
        #expect(growing.secondsToFull == 600 && growing.backends.first?.secondsToDrained == nil)
        #expect(StatusReport.Tenant(spool, lanes: [], pointsIn: 0).secondsToFull == nil)
        spool.secondsToFull = 42
        #expect(StatusReport.Tenant(spool, lanes: [], pointsIn: 100).secondsToFull == 42, "the spool has measured it")
        let report = StatusReport(
            isRunning: true, dataDirectory: "x",
            space: StatusReport.Space(usedBytes: 3 << 20, maximumBytes: 12 << 20, secondsToFull: 90), tenants: [growing]
        )
        let page = MetricsPage(report: report, lanes: [], telemetry: Telemetry(), connections: 0, heldBytes: 0)
        let text = String(decoding: page.render(), as: UTF8.self)
        #expect(text.contains("holdfast_seconds_to_full{tenant=\"acme\"} 600\n"))
        #expect(text.contains("holdfast_node_seconds_to_full 90\n"))
        #expect(text.contains("holdfast_repacked_bytes_total{form=\"after\"} 0\n"))
        #expect(text.contains("holdfast_node_used_bytes 3145728\n"))
        #expect(!text.contains("holdfast_seconds_to_drained{"))
        #expect(report.json["space"]?["seconds_to_full"]?.double == 90)
        #expect(StatusTable.text(report.json).contains("of 12"))
    }

    @Test func `a spool that cannot be opened shows on the page, in its lanes and in status, and only there`() {
        let tenants = ["broken", "sound"].map { name in
            var spool = SpoolStatus()
            spool.tenant = name
            for (backend, mode) in [("central", RetryState.Mode.ok), ("refusing", .held)] {
                var ledger = BackendLedger()
                ledger.name = backend
                ledger.retry.mode = mode
                spool.backends.append(ledger)
            }
            return StatusReport.Tenant(spool, lanes: [], pointsIn: 0)
        }
        var report = StatusReport(isRunning: true, dataDirectory: "x", tenants: tenants)
        report.tenants[0].cannotBeOpened("spool.db: Permission denied")
        report.tenants[0].isCurrent = false
        let page = MetricsPage(report: report, lanes: [], telemetry: Telemetry(), connections: 0, heldBytes: 0)
        let lines = String(decoding: page.render(), as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(lines.contains("holdfast_spool_unusable{tenant=\"broken\"} 1"))
        #expect(lines.contains("holdfast_spool_unusable{tenant=\"sound\"} 0"))
        for (tenant, backend, state) in [
            ("broken", "central", "backing_off"), ("broken", "refusing", "held"), ("sound", "central", "ok"),
        ] {
            let labels = "tenant=\"\(tenant)\",backend=\"\(backend)\""
            let states = lines.filter { $0.hasPrefix("holdfast_lane_state{\(labels)") && $0.hasSuffix(" 1") }
            #expect(states == ["holdfast_lane_state{\(labels),state=\"\(state)\"} 1"])
        }
        let text = StatusTable.text(report.json)
        #expect(text.contains("broken: its spool cannot be opened") && text.contains("Permission denied"))
        #expect(text.split(separator: "\n").count { $0.contains("cannot be opened") } == 1, "once for all of its lanes")
        // The reason is known, and it is not that somebody was killed.
        #expect(!text.contains("was not closed"))
    }

    @Test func `the last backup of a tenant shows by its time, and one that was never made not at all`() {
        let tenants = ["copied", "never"].map { name in
            var spool = SpoolStatus()
            spool.tenant = name
            return StatusReport.Tenant(spool, lanes: [], pointsIn: 0)
        }
        let page = MetricsPage(
            report: StatusReport(isRunning: true, dataDirectory: "x", tenants: tenants), lanes: [],
            telemetry: Telemetry(), connections: 0, heldBytes: 0,
            backups: ["copied": 1_800_000_000_500_000_000, "gone": 1])
        let samples = String(decoding: page.render(), as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix("holdfast_backup_last_success_timestamp_seconds") }
        #expect(samples == ["holdfast_backup_last_success_timestamp_seconds{tenant=\"copied\"} 1800000000.5"])
    }

    @Test func `a node is ready as long as it serves one tenant, and says how many it does not, without their names`() {
        for (unusable, status, words) in [
            (0, 200, "ready\n"), (2, 200, "ready, but 2 of 3 spools cannot be opened; `holdfast status` says why\n"),
            (3, 503, "3 of 3 spools cannot be opened"),
        ] {
            let reply = Reply.ready(tenants: 3, unusable: unusable)
            #expect(reply.status == status)
            #expect(text(of: reply).contains(words), "\(text(of: reply))")
        }
        let partly = Reply.ready(tenants: 3, unusable: 1, refusing: 1)
        #expect(partly.status == 200)
        #expect(text(of: partly).contains("1 of 3 spools cannot be opened, 1 of 3 spools refuse new points; "))
        #expect(Reply.ready(tenants: 3, unusable: 0, refusing: 3).status == 503)
        let slow = Reply.ready(tenants: 3, unusable: 0, refusing: 1, stalled: 1)
        #expect(slow.status == 200 && text(of: slow).contains("1 of 3 spools wait for the disk"))
        #expect(Reply.ready(tenants: 3, unusable: 1, refusing: 1, stalled: 1).status == 503)
    }

    @Test func `a spool whose disk does not answer shows on the page and in status, for how long`() {
        let tenants = ["slow", "well"].map { name in
            var spool = SpoolStatus()
            spool.tenant = name
            var tenant = StatusReport.Tenant(spool, lanes: [], pointsIn: 0)
            if name == "slow" { (tenant.stalledSeconds, tenant.isCurrent) = (12.5, false) }
            return tenant
        }
        var report = StatusReport(isRunning: true, dataDirectory: "x", tenants: tenants)
        report.longestWriteSeconds = 12.5
        let page = MetricsPage(
            report: report, lanes: [], telemetry: Telemetry(), connections: 0, heldBytes: 0
        ).render()
        let lines = Set(String(decoding: page, as: UTF8.self).split(separator: "\n").map(String.init))
        #expect(
            lines.isSuperset(of: [
                "holdfast_spool_stalled_seconds{tenant=\"slow\"} 12.5",
                "holdfast_spool_stalled_seconds{tenant=\"well\"} 0", "holdfast_longest_write_seconds 12.5",
            ]))
        let status = StatusTable.text(report.json)
        #expect(status.contains("slow: the disk has not answered for 12s; its requests wait"), "\(status)")
        #expect(!status.contains("well:"))
    }

    @Test func `a tenant that refuses all new points shows on the page and in status, with the reason`() {
        let tenants = ["full", "sound"].map { name in
            var spool = SpoolStatus()
            spool.tenant = name
            if name == "full" { (spool.refusal, spool.secondsToFull) = ("the disk is full", 0) }
            return StatusReport.Tenant(spool, lanes: [], pointsIn: 0)
        }
        let report = StatusReport(isRunning: true, dataDirectory: "x", tenants: tenants)
        let page = MetricsPage(report: report, lanes: [], telemetry: Telemetry(), connections: 0, heldBytes: 0)
        let lines = String(decoding: page.render(), as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(lines.contains("holdfast_spool_refusing{tenant=\"full\"} 1"))
        #expect(lines.contains("holdfast_spool_refusing{tenant=\"sound\"} 0"))
        #expect(lines.contains("holdfast_seconds_to_full{tenant=\"full\"} 0"))
        #expect(report.json["tenants"]?.array?.first?["refusal"]?.string == "the disk is full")
        let text = StatusTable.text(report.json)
        #expect(text.contains("full: new points are refused with 503: the disk is full"))
        #expect(!text.contains("sound: new points"))
    }

    private func text(of reply: Reply) -> String {
        switch reply.body {
        case .bytes(let bytes, _): String(decoding: bytes, as: UTF8.self)
        default: String(describing: reply.body)
        }
    }

    @Test func `every sample of the page has a family before it, and no family comes twice`() {
        let report = StatusReport(isRunning: true, dataDirectory: "x", tenants: [])
        let page = MetricsPage(report: report, lanes: [], telemetry: Telemetry(), connections: 0, heldBytes: 0)
        var families: Set<Substring> = []
        for line in String(decoding: page.render(), as: UTF8.self).split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                let name = line.split(separator: " ")[2]
                #expect(families.insert(name).inserted, "\(name)")
            } else if !line.hasPrefix("#") {
                let name = line.prefix { $0 != "{" && $0 != " " }
                #expect(families.contains(name) || families.contains { name.hasPrefix($0 + "_") }, "\(name)")
            }
        }
    }
}
