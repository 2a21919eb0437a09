import Foundation

/// All runs together, and what none of them has reached.
struct SimulationSummary {
    private var runs = 0
    private var steps = 0
    private var jobs = 0
    private var seconds: Int64 = 0
    private(set) var counts: [String: Int] = [:]
    private let began = Date()

    mutating func add(_ outcome: Simulation.Outcome) {
        runs += 1
        steps += outcome.steps
        jobs += outcome.jobs
        seconds += outcome.simulatedSeconds
        counts.merge(outcome.counts, uniquingKeysWith: +)
        counts["disk.power_cuts", default: 0] += outcome.disk.powerCuts
        counts["disk.calls", default: 0] += outcome.disk.calls
        counts["disk.writes_at_risk", default: 0] += outcome.disk.writesAtRisk
        for (kind, count) in outcome.disk.faults { counts["disk.fault.\(kind)", default: 0] += count }
    }

    /// Kinds of events, faults and outcomes that the seeds are there to bring about, and did not; empty for a few seeds.
    var missing: [String] {
        guard runs >= 60 else { return [] }
        let outcomes = ["confirmed", "assumed", "dead", "lost", "excluded", "skipped"].map { "point.\($0)" }
        let moods = SimulatedServer.Mood.allCases.filter { $0 != .well }.map { "mood.\($0)" }
        let requests = SimulatedServer.Mood.allCases.filter { $0 != .flaky }.map { "request.\($0)" }
        let reloads = [
            "backend_added_none", "backend_added_all", "backend_added_seconds", "backend_removed", "backend_returned",
            "backend_renamed", "backend_renamed_untold", "rename_told_late", "backend_moved", "tenant_changed",
            "tenant_removed", "tenant_returned",
        ].map { "reload.\($0)" }
        let faults = DiskFault.Kind.allCases.map { "disk.fault.\($0)" }
        let rest = [
            "append.acknowledged", "append.dropped", "append.failed_full", "append.refused", "clock.back",
            "clock.forward", "crash.kill", "crash.powerCut", "disk.cut_at_call", "disk.full", "disk.writes_at_risk",
            "dead.poison", "dead.stuck", "request.stored_unanswered", "stop", "wait.long", "loss.quota", "loss.age",
            "answer_to_bodies.204", "answer_to_bodies.400", "answer.elasticsearch.200", "answer.influxdb.204",
            "answer.prometheus_remote_write.204", "event.a backend takes over the backlog of its former name",
            "event.what has waited becomes a backlog, and fresh points go ahead of it",
        ]
        return (outcomes + moods + requests + reloads + faults + rest).filter { counts[$0, default: 0] == 0 }
    }

    var text: String {
        let kinds = counts.sorted { $0.key < $1.key }.map { "  \($0.key) \($0.value)" }.joined(separator: "\n")
        let took = Int(Date().timeIntervalSince(began))
        let hours = seconds / 3600
        return "simulator: \(runs) seeds, \(steps) steps, \(jobs) jobs, \(hours) simulated hours, \(took) s\n\(kinds)"
    }
}
