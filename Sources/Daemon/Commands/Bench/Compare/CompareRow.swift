/// A line of the table of `bench compare`.
enum CompareRow: String, CaseIterable {
    case ackedPerSecond = "acked_samples_per_second"
    case ackP99 = "ack_p99_ms"
    case ingestCPU = "ingest_cpu_seconds_per_million"
    case pathCPU = "path_cpu_seconds_per_million"
    case pathPerSecond = "path_samples_per_second"
    case drainPerSecond = "drain_samples_per_second"
    case drainCPU = "drain_cpu_seconds_per_million"
    case farDrainPerSecond = "far_drain_samples_per_second"
    case diskBytes = "disk_bytes_per_sample"
    case repackedBytes = "repacked_bytes_per_sample"
    case repackedDrainPerSecond = "repacked_drain_samples_per_second"
    case writtenBytes = "written_bytes_per_sample"
    case steadyWrittenBytes = "steady_written_bytes_per_sample"
    case flashWrittenBytes = "flash_written_bytes_per_sample"
    case steadyAckP50 = "steady_ack_p50_ms"
    case steadyAckP99 = "steady_ack_p99_ms"
    case steadyCPU = "steady_cpu_seconds_per_million"
    case idleLatency = "idle_backend_p50_ms"
    case idleResident = "idle_rss_mib"
    case ingestResident = "ingest_rss_mib"
    case pendingResident = "pending_rss_mib"

    enum Target: Equatable {
        case atLeast(Double)
        case atMost(Double)
        /// So many times the figure of the best vmagent there is.
        case atLeastTimes(Double)
        case atMostTimes(Double)
    }

    var title: String {
        switch self {
        case .ackedPerSecond: "acknowledged, backend down"
        case .ackP99: "ack p99 of that"
        case .ingestCPU: "CPU of that"
        case .pathCPU: "whole path, CPU"
        case .pathPerSecond: "whole path, flat out"
        case .drainPerSecond: "drain after the outage"
        case .drainCPU: "CPU of that"
        case .farDrainPerSecond: "drain, 100 ms round trips"
        case .diskBytes: "disk, in the outage"
        case .repackedBytes: "disk, after repack"
        case .repackedDrainPerSecond: "drain after repack"
        case .writtenBytes: "written, flat out"
        case .steadyWrittenBytes: "written, steady"
        case .flashWrittenBytes: "written, steady, linger 1 s"
        case .steadyAckP50: "ack p50, steady"
        case .steadyAckP99: "ack p99, steady"
        case .steadyCPU: "CPU, steady"
        case .idleLatency: "ack to backend, idle, p50"
        case .idleResident: "RSS, idle"
        case .ingestResident: "RSS, peak of ingest"
        case .pendingResident: "RSS, all of it pending"
        }
    }

    var unit: String {
        switch self {
        case .ackedPerSecond, .drainPerSecond, .farDrainPerSecond, .repackedDrainPerSecond, .pathPerSecond: "samples/s"
        case .ingestCPU, .pathCPU, .drainCPU, .steadyCPU: "s/million"
        case .diskBytes, .repackedBytes, .writtenBytes, .steadyWrittenBytes, .flashWrittenBytes: "B/sample"
        case .ackP99, .steadyAckP50, .steadyAckP99, .idleLatency: "ms"
        case .idleResident, .ingestResident, .pendingResident: "MiB"
        }
    }

    /// What Holdfast means to reach; nil: for information.
    var target: Target? {
        switch self {
        case .ackedPerSecond, .drainPerSecond: .atLeastTimes(1)
        case .farDrainPerSecond: .atLeastTimes(5)
        case .ingestCPU: .atMostTimes(0.7)
        case .pathCPU: .atMostTimes(0.8)
        case .diskBytes: .atMost(2)
        case .repackedBytes: .atMost(1)
        case .writtenBytes, .flashWrittenBytes: .atMost(4)
        case .steadyWrittenBytes: .atMost(16)
        case .steadyAckP50: .atMost(1.2)
        case .steadyAckP99, .idleLatency: .atMost(5)
        case .idleResident: .atMost(40)
        case .ingestResident, .pendingResident: .atMost(150)
        case .ackP99, .pathPerSecond, .drainCPU, .repackedDrainPerSecond, .steadyCPU: nil
        }
    }
}

extension CompareRow.Target {
    /// By how much of the target it is missed; not above zero: it is met.
    ///
    /// - Parameter best: the same figure of a vmagent; nil when there is none.
    /// - Returns: nil when it cannot be told.
    func shortfall(_ own: Double, best: Double?) -> Double? {
        switch self {
        case .atLeast(let floor): (floor - own) / floor
        case .atMost(let ceiling): (own - ceiling) / ceiling
        case .atLeastTimes(let factor): best.map { ($0 * factor - own) / ($0 * factor) }
        case .atMostTimes(let factor): best.map { (own - $0 * factor) / ($0 * factor) }
        }
    }

    var text: String {
        switch self {
        case .atLeast(let floor): ">= \(CompareReport.short(floor))"
        case .atMost(let ceiling): "<= \(CompareReport.short(ceiling))"
        case .atLeastTimes(let factor): ">= \(CompareReport.short(factor)) x vmagent"
        case .atMostTimes(let factor): "<= \(CompareReport.short(factor)) x vmagent"
        }
    }
}
