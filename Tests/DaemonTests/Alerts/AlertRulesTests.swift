import Forwarder
import Testing
import WALStore

@testable import Daemon

/// What is an alert, and what is none.
@Suite struct AlertRulesTests {
    private static func tenant(_ change: (inout SpoolStatus, inout BackendLedger) -> Void = { _, _ in })
        -> StatusReport.Tenant
    {
        var (spool, ledger) = (SpoolStatus(), BackendLedger())
        (spool.tenant, ledger.name) = ("acme", "central")
        change(&spool, &ledger)
        spool.backends = [ledger]
        return StatusReport.Tenant(spool, lanes: [], pointsIn: 0)
    }

    private static func look(_ tenant: StatusReport.Tenant) -> AlertLook {
        AlertLook(report: StatusReport(isRunning: true, dataDirectory: "x", tenants: [tenant]), failing: [:])
    }

    private static func names(_ look: AlertLook, _ thresholds: AlertThresholds = AlertThresholds()) -> [String] {
        AlertRules.alerts(look, thresholds).map {
            [$0.id.name, $0.id.tenant, $0.id.backend].filter { !$0.isEmpty }.joined(separator: " ")
        }
    }

    @Test func `a node that is well has none, with a backlog that gets shorter too`() {
        #expect(Self.names(Self.look(Self.tenant())) == [])
        let behind = Self.tenant { _, ledger in
            (ledger.owedPoints, ledger.pendingPoints, ledger.oldestPendingAgeSeconds) = (5, 5, 900)
        }
        #expect(Self.names(Self.look(behind)) == [])
    }

    @Test func `what waits for longer than pending_age is late`() {
        let late = Self.tenant { _, ledger in
            (ledger.owedPoints, ledger.pendingPoints, ledger.oldestPendingAgeSeconds) = (5, 5, 901)
        }
        #expect(Self.names(Self.look(late)) == ["HoldfastDeliveryLate acme central"])
        var thresholds = AlertThresholds()
        thresholds.pendingAge = .seconds(3600)
        #expect(Self.names(Self.look(late), thresholds) == [])
    }

    @Test func `a lane that is held, and one whose requests fail in a row, are told apart`() {
        let owed = Self.tenant { _, ledger in (ledger.owedPoints, ledger.pendingPoints) = (5, 5) }
        var held = owed
        held.backends[0].state = StatusReport.LaneState(name: "held", reason: "HTTP 401")
        var look = Self.look(held)
        look.failing = [AlertLook.Lane(tenant: "acme", backend: "central"): "HTTP 503"]
        #expect(Self.names(look) == ["HoldfastBackendHeld acme central"])
        look.report.tenants = [owed]
        #expect(Self.names(look) == ["HoldfastBackendFailing acme central"])
    }

    @Test func `a lane that is owed nothing has no trouble, whatever its last request came to`() {
        var held = Self.tenant()
        held.backends[0].state = StatusReport.LaneState(name: "held", reason: "HTTP 401")
        var look = Self.look(held)
        look.failing = [AlertLook.Lane(tenant: "acme", backend: "central"): "HTTP 503"]
        #expect(Self.names(look) == [])
    }

    @Test func `two failures are none, three are one`() {
        var lane = LaneStatus(tenant: "acme", backend: "central", type: "influxdb")
        let report = Self.look(Self.tenant()).report
        for (attempts, isFailing) in [(0, false), (2, false), (3, true)] {
            lane.attempts = attempts
            let look = AlertLook(report, lanes: [lane], folderFault: nil, configRefusal: nil)
            #expect(!look.failing.isEmpty == isFailing)
        }
    }

    @Test func `a spool that refuses, cannot be opened, waits for its disk or is carried over is told of`() {
        var tenant = Self.tenant { spool, _ in
            (spool.refusal, spool.salvaging, spool.secondsToFull) = ("the budget is used up", 1, 0)
        }
        tenant.stalledSeconds = 12
        #expect(
            Self.names(Self.look(tenant)) == [
                "HoldfastSpoolRefusing acme", "HoldfastSpoolStalled acme", "HoldfastSalvaging acme",
            ])
        tenant.cannotBeOpened("input/output error")
        #expect(Self.names(Self.look(tenant)).first == "HoldfastSpoolUnusable acme")
    }

    @Test func `a budget that lasts for less than full_within is almost used up`() {
        for (seconds, names) in [(3601.0, []), (3599.0, ["HoldfastSpoolAlmostFull acme"])] {
            #expect(Self.names(Self.look(Self.tenant { spool, _ in spool.secondsToFull = seconds })) == names)
        }
        var look = Self.look(Self.tenant())
        look.report.space = StatusReport.Space(usedBytes: 1, maximumBytes: 2, secondsToFull: 60)
        #expect(Self.names(look) == ["HoldfastNodeAlmostFull"])
    }

    @Test func `a folder that is gone and a config that was refused are told of`() {
        var look = Self.look(Self.tenant())
        (look.folderFault, look.configRefusal) = ("it was moved away", "holdfast.yaml:3: no")
        #expect(Self.names(look) == ["HoldfastDataFolderGone", "HoldfastConfigRefused"])
    }

    @Test func `a backlog that nothing sends is told of, and an old backend with none is not`() {
        for (points, names) in [(Int64(0), []), (5, ["HoldfastBacklogOfNobody acme central"])] {
            let tenant = Self.tenant { _, ledger in
                (ledger.isDetached, ledger.owedPoints, ledger.pendingPoints) = (true, points, points)
                ledger.oldestPendingAgeSeconds = 1e6
            }
            #expect(Self.names(Self.look(tenant)) == names)
        }
    }

    @Test func `books that do not add up are told of`() {
        #expect(
            Self.names(Self.look(Self.tenant { _, ledger in ledger.owedPoints = 1 })) == [
                "HoldfastLedgerUnbalanced acme central"
            ])
    }

    @Test func `an alert has one severity, whatever brings it about`() {
        var severities: [String: Alert.Severity] = [:]
        for meaning in AlertEvents.meanings.values {
            #expect(
                severities.updateValue(meaning.severity, forKey: meaning.name) ?? meaning.severity == meaning.severity)
        }
    }
}
