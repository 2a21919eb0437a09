import Forwarder
import WALStore

/// `/metrics`: what the spools know, what the forwarder did, what the daemon counted, and the process itself.
struct MetricsPage {
    var report: StatusReport
    var lanes: [LaneStatus]
    var telemetry: Telemetry
    var connections: Int
    var displacedConnections = 0
    var heldBytes: Int
    /// See `BackupDesk.lastGood`.
    var backups: [String: Int64] = [:]

    func render() -> [UInt8] {
        var page = ExpositionWriter()
        page.family("holdfast_build_info", .gauge, "Always 1; the version is its label.")
        page.sample("holdfast_build_info", [("version", HoldfastVersion.text)], 1)
        writeIngest(into: &page)
        writeSpools(into: &page)
        writeLedgers(into: &page)
        writeLanes(into: &page)
        writeNode(into: &page)
        writeAlerts(into: &page)
        ProcessMetrics.read()?.write(into: &page)
        return page.bytes
    }

    private func writeIngest(into page: inout ExpositionWriter) {
        page.counters(
            "holdfast_ingest_requests_total", "Requests answered, by HTTP status; 0 for scrapes.",
            telemetry.ingestRequests)
        page.counters(
            "holdfast_ingest_points_total", "Points committed and fsynced since start.", telemetry.ingestPoints)
        page.counters(
            "holdfast_ingest_refused_points_total", "Points set aside as invalid since start, by reason.",
            telemetry.ingestRefusedPoints)
        page.counters("holdfast_ingest_bytes_total", "Body bytes as they came over the wire.", telemetry.ingestBytes)
        page.histograms(
            "holdfast_ingest_seconds", "From the end of a body to its answer, fsync included.",
            telemetry.ingestLatency)
        page.family("holdfast_ingest_held_bytes", .gauge, "Memory of requests between HTTP and disk.")
        page.sample("holdfast_ingest_held_bytes", [], Double(heldBytes))
        page.family("holdfast_connections", .gauge, "Open ingest connections.")
        page.sample("holdfast_connections", [], Double(connections))
        page.family(
            "holdfast_displaced_connections_total", .counter,
            "Idle or slow ingest connections closed because the listener was full.")
        page.sample("holdfast_displaced_connections_total", [], Double(displacedConnections))
    }

    private func writeSpools(into page: inout ExpositionWriter) {
        let counters: [(String, String, (SpoolStatus) -> Int64)] = [
            ("holdfast_accepted_points_total", "Points the spool ever accepted.", { $0.acceptedPoints }),
            ("holdfast_accepted_requests_total", "Requests the spool ever accepted.", { $0.acceptedRequests }),
            ("holdfast_refused_points_total", "Points set aside as invalid, with a refusal row.", { $0.refusedPoints }),
            (
                "holdfast_dropped_points_total", "Points that when_full: drop_newest turned away.",
                { $0.droppedAtIngestPoints }
            ),
        ]
        let gauges: [(String, String, (SpoolStatus) -> Int64)] = [
            ("holdfast_spool_bytes", "Size of the spool's database.", { $0.databaseBytes }),
            ("holdfast_spool_free_bytes", "Pages of it that can be reused.", { $0.freePageBytes }),
            ("holdfast_spool_wal_bytes", "Size of its write-ahead log.", { $0.walBytes }),
            ("holdfast_loss_rows", "Rows of explained losses on record.", { $0.lossRows }),
            ("holdfast_dead_letters", "Dead letters on record.", { $0.deadLetters }),
            ("holdfast_dead_letter_bytes", "What they take.", { $0.deadLetterBytes }),
            ("holdfast_set_aside_files", "Damaged spools that are kept beside this one.", { $0.setAsideFiles }),
            ("holdfast_set_aside_bytes", "What they take.", { $0.setAsideBytes }),
            ("holdfast_salvaging", "1 while a damaged spool is carried over; delivery waits for it.", { $0.salvaging }),
        ]
        for (kind, metrics) in [(ExpositionWriter.Kind.counter, counters), (.gauge, gauges)] {
            for (name, help, value) in metrics {
                page.family(name, kind, help)
                for tenant in report.tenants {
                    page.sample(name, [("tenant", tenant.spool.tenant)], Double(value(tenant.spool)))
                }
            }
        }
        let waits: [(String, String, (StatusReport.Tenant) -> Bool)] = [
            (
                "holdfast_spool_unusable", "1 while the spool cannot be opened; requests are answered with 503.",
                { $0.problem != nil }
            ),
            (
                "holdfast_spool_refusing", "1 while the spool refuses all new points; they are answered with 503.",
                { $0.spool.refusal != nil }
            ),
            (
                "holdfast_salvage_waiting", "1 while the carrying over does not get on, mostly for want of room.",
                { $0.spool.salvageProblem != nil }
            ),
        ]
        for (name, help, isSo) in waits {
            page.family(name, .gauge, help)
            for tenant in report.tenants {
                page.sample(name, [("tenant", tenant.spool.tenant)], isSo(tenant) ? 1 : 0)
            }
        }
        writeChains(into: &page)
        page.family(
            "holdfast_backup_last_success_timestamp_seconds", .gauge,
            "What was acknowledged before that is in the last backup; absent until one was made since the start.")
        for tenant in report.tenants {
            guard let moment = backups[tenant.spool.tenant] else { continue }
            page.sample(
                "holdfast_backup_last_success_timestamp_seconds", [("tenant", tenant.spool.tenant)],
                Double(moment) / 1e9)
        }
        page.family("holdfast_spool_maximum_bytes", .gauge, "The tenant's budget, where it has one.")
        for tenant in report.tenants {
            guard let maximum = tenant.spool.maximumBytes else { continue }
            page.sample("holdfast_spool_maximum_bytes", [("tenant", tenant.spool.tenant)], Double(maximum))
        }
        page.family(
            "holdfast_seconds_to_full", .gauge,
            "Until the budget is used up at this rate; absent while it does not grow.")
        for tenant in report.tenants {
            guard let seconds = tenant.secondsToFull else { continue }
            page.sample("holdfast_seconds_to_full", [("tenant", tenant.spool.tenant)], seconds)
        }
    }

    /// Where the metrics of a node are kept, its chains have an anchor.
    private func writeChains(into page: inout ExpositionWriter) {
        page.family(
            "holdfast_chain_length", .gauge,
            "Links of the spool's chain, as of the close of one that is closed; absent without one.")
        for tenant in report.tenants {
            guard let chain = tenant.spool.chain else { continue }
            page.sample("holdfast_chain_length", [("tenant", tenant.spool.tenant)], Double(chain.length))
        }
        page.family(
            "holdfast_chain_head_info", .gauge,
            "Always 1; the labels are an anchor of the spool's chain, for holdfast audit verify --anchor LENGTH:HEAD.")
        for tenant in report.tenants {
            guard let chain = tenant.spool.chain else { continue }
            page.sample(
                "holdfast_chain_head_info",
                [("tenant", tenant.spool.tenant), ("length", String(chain.length)), ("head", chain.head)], 1)
        }
    }

    /// The terms of `owed = delivered + assumed + pending + dead + lost + excluded`.
    private func writeLedgers(into page: inout ExpositionWriter) {
        let terms: [(String, ExpositionWriter.Kind, String, (BackendLedger) -> Int64)] = [
            ("holdfast_owed_points_total", .counter, "Points owed to the backend, ever.", { $0.owedPoints }),
            ("holdfast_delivered_points_total", .counter, "Points the backend confirmed.", { $0.deliveredPoints }),
            ("holdfast_assumed_points_total", .counter, "Points settled as already there.", { $0.assumedPoints }),
            ("holdfast_pending_points", .gauge, "Points not settled yet.", { $0.pendingPoints }),
            ("holdfast_dead_points", .gauge, "Points set aside as dead letters.", { $0.deadPoints }),
            (
                "holdfast_lost_points_total", .counter, "Points with a loss row, dropped ones included.",
                { $0.lostPoints }
            ),
            (
                "holdfast_excluded_points_total", .counter, "Points a rule keeps from the backend.",
                { $0.excludedPoints }
            ),
            ("holdfast_pending_bytes", .gauge, "Stored bytes of rows still owed.", { $0.pendingBytes }),
            ("holdfast_ledger_balances", .gauge, "1 while the terms add up.", { $0.balances ? 1 : 0 }),
        ]
        for (name, kind, help, value) in terms {
            page.family(name, kind, help)
            eachBackend { labels, backend in page.sample(name, labels, Double(value(backend.ledger))) }
        }
        page.family("holdfast_oldest_pending_seconds", .gauge, "Age of the oldest pending point; 0 when none is.")
        eachBackend { page.sample("holdfast_oldest_pending_seconds", $0, $1.ledger.oldestPendingAgeSeconds) }
        writeLanesOwed(into: &page)
        page.family(
            "holdfast_seconds_to_drained", .gauge, "Until nothing is pending; absent while it does not get less.")
        eachBackend { labels, backend in
            if let seconds = backend.secondsToDrained { page.sample("holdfast_seconds_to_drained", labels, seconds) }
        }
        page.family("holdfast_lane_state", .gauge, "1 for the state the lane is in.")
        eachBackend { labels, backend in
            for state in ["ok", "backing_off", "held", "detached"] {
                page.sample("holdfast_lane_state", labels + [("state", state)], backend.state.name == state ? 1 : 0)
            }
        }
    }

    private func writeLanesOwed(into page: inout ExpositionWriter) {
        page.family("holdfast_lane_pending_points", .gauge, "Points not settled yet, by lane: live or backlog.")
        eachBackend { labels, backend in
            let (pending, backlog) = (backend.ledger.pendingPoints, backend.ledger.backlogPoints)
            page.sample("holdfast_lane_pending_points", labels + [("lane", "live")], Double(pending - backlog))
            page.sample("holdfast_lane_pending_points", labels + [("lane", "backlog")], Double(backlog))
        }
        page.family(
            "holdfast_lane_oldest_pending_seconds", .gauge, "Age of the oldest pending point of a lane; 0 when none is."
        )
        eachBackend { labels, backend in
            let (live, backlog) = (backend.ledger.oldestFreshAgeSeconds, backend.ledger.oldestBacklogAgeSeconds)
            page.sample("holdfast_lane_oldest_pending_seconds", labels + [("lane", "live")], live)
            page.sample("holdfast_lane_oldest_pending_seconds", labels + [("lane", "backlog")], backlog)
        }
    }

    private func eachBackend(_ body: ([(String, String)], StatusReport.Backend) -> Void) {
        for tenant in report.tenants {
            for backend in tenant.backends {
                body([("tenant", tenant.spool.tenant), ("backend", backend.ledger.name)], backend)
            }
        }
    }

    private func writeNode(into page: inout ExpositionWriter) {
        page.counters("holdfast_config_reloads_total", "Reloads by result.", telemetry.configReloads)
        page.counters("holdfast_log_events_total", "Log events by level, throttled ones included.", telemetry.events)
        if let seconds = report.longestWriteSeconds {
            page.family(
                "holdfast_longest_write_seconds", .gauge,
                "The longest that one commit, or other work on a spool, has taken since start; one under way counts.")
            page.sample("holdfast_longest_write_seconds", [], seconds)
        }
        page.family(
            "holdfast_spool_stalled_seconds", .gauge,
            "How long the disk has kept the spool waiting; 0 below three seconds. Its other numbers are older then.")
        for tenant in report.tenants {
            page.sample(
                "holdfast_spool_stalled_seconds", [("tenant", tenant.spool.tenant)], tenant.stalledSeconds ?? 0)
        }
        if let space = report.space {
            page.family("holdfast_node_used_bytes", .gauge, "What the data folder takes of the disk.")
            page.sample("holdfast_node_used_bytes", [], Double(space.usedBytes))
            page.family("holdfast_node_maximum_bytes", .gauge, "What it may take.")
            page.sample("holdfast_node_maximum_bytes", [], Double(space.maximumBytes))
            page.family(
                "holdfast_node_seconds_to_full", .gauge,
                "Until the node's budget is used up or the free-space reserve is reached; absent while nothing grows.")
            if let seconds = space.secondsToFull { page.sample("holdfast_node_seconds_to_full", [], seconds) }
            page.family(
                "holdfast_repacked_points_total", .counter,
                "Points whose rows were merged into larger ones, since start.")
            page.sample("holdfast_repacked_points_total", [], Double(space.repacked.points))
            page.family("holdfast_repacked_bytes_total", .counter, "Their blocks, before and after.")
            for (form, bytes) in [("before", space.repacked.bytesBefore), ("after", space.repacked.bytesAfter)] {
                page.sample("holdfast_repacked_bytes_total", [("form", form)], Double(bytes))
            }
        }
        guard let disk = report.disk else { return }
        page.family("holdfast_disk_free_bytes", .gauge, "Free bytes on the data folder's file system.")
        page.sample("holdfast_disk_free_bytes", [], Double(disk.freeBytes))
        page.family("holdfast_disk_total_bytes", .gauge, "Size of the data folder's file system.")
        page.sample("holdfast_disk_total_bytes", [], Double(disk.totalBytes))
    }
}
