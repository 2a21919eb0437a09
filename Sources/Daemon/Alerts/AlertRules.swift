import Forwarder
import WALStore

/// What is an alert while it is so. What only happens is in `AlertNews`.
struct AlertRules {
    private let look: AlertLook
    private let thresholds: AlertThresholds
    private var alerts: [Alert] = []

    static func alerts(_ look: AlertLook, _ thresholds: AlertThresholds) -> [Alert] {
        var rules = AlertRules(look: look, thresholds: thresholds)
        rules.judgeNode()
        for tenant in look.report.tenants {
            rules.judge(tenant)
            for backend in tenant.backends { rules.judge(backend, of: tenant) }
        }
        return rules.alerts
    }

    private mutating func judgeNode() {
        if let fault = look.folderFault {
            raise("HoldfastDataFolderGone", .critical, "All requests are refused: \(fault)")
        }
        if let refusal = look.configRefusal {
            raise("HoldfastConfigRefused", .warning, "The last reload was refused, the former config stays: \(refusal)")
        }
        if let seconds = look.report.space?.secondsToFull, seconds < thresholds.fullWithin / .seconds(1) {
            raise(
                "HoldfastNodeAlmostFull", .critical, "\(Self.soon("The node's budget", seconds)), or the disk's reserve"
            )
        }
    }

    private mutating func judge(_ tenant: StatusReport.Tenant) {
        let id = tenant.spool.tenant
        if let problem = tenant.problem {
            raise("HoldfastSpoolUnusable", .critical, "Its spool cannot be opened: \(problem)", id)
        } else if let refusal = tenant.spool.refusal {
            raise("HoldfastSpoolRefusing", .critical, "New points are refused: \(refusal)", id)
        } else if let seconds = tenant.secondsToFull, seconds < thresholds.fullWithin / .seconds(1) {
            raise("HoldfastSpoolAlmostFull", .warning, Self.soon("The tenant's budget", seconds), id)
        }
        if let seconds = tenant.stalledSeconds {
            raise("HoldfastSpoolStalled", .critical, "The disk has not answered for \(Self.text(seconds))", id)
        }
        if tenant.spool.salvaging != 0 {
            let wait = tenant.spool.salvageProblem.map { "; it waits: \($0)" } ?? ""
            raise("HoldfastSalvaging", .warning, "A damaged spool is being carried over\(wait)", id)
        }
    }

    private mutating func judge(_ backend: StatusReport.Backend, of tenant: StatusReport.Tenant) {
        let (id, name, ledger) = (tenant.spool.tenant, backend.ledger.name, backend.ledger)
        if !ledger.balances {
            raise("HoldfastLedgerUnbalanced", .critical, "Its books do not add up: please report it", id, name)
        }
        guard !ledger.isDetached else {
            guard ledger.pendingPoints > 0 else { return }
            return raise("HoldfastBacklogOfNobody", .warning, "It is \(backend.state.reason)", id, name)
        }
        // Of whom nothing is owed nobody asks again, and what was wrong last says nothing.
        guard ledger.pendingPoints > 0 else { return }
        if backend.state.name == "held" {
            raise("HoldfastBackendHeld", .critical, "An operator must act: \(backend.state.reason)", id, name)
        } else if let reason = look.failing[AlertLook.Lane(tenant: id, backend: name)] {
            raise("HoldfastBackendFailing", .warning, "Requests fail in a row: \(reason)", id, name)
        }
        let age = ledger.oldestPendingAgeSeconds
        if age > thresholds.pendingAge / .seconds(1) {
            raise("HoldfastDeliveryLate", .warning, "The oldest point has waited for \(Self.text(age))", id, name)
        }
    }

    private mutating func raise(
        _ name: String, _ severity: Alert.Severity, _ summary: String, _ tenant: String = "", _ backend: String = ""
    ) {
        alerts.append(Alert(Alert.ID(name, tenant: tenant, backend: backend), severity, summary))
    }

    private static func text(_ seconds: Double) -> String { Amount.duration(seconds: seconds) }

    private static func soon(_ what: String, _ seconds: Double) -> String {
        seconds > 0 ? "\(what) is used up in \(text(seconds))" : "\(what) is used up"
    }
}
