import Forwarder
import Metrics
import WALStore

extension StatusReport {
    /// The admin API's answer and `status --json`. Names are promises: see `docs/operations.md`.
    var json: JSONValue {
        .map([
            "version": .string(HoldfastVersion.text),
            "running": .bool(isRunning || silentProcess != nil),
            "answers": .bool(isRunning),
            "process": silentProcess.map { $0 > 0 ? .int(Int64($0)) : .null },
            "config": configFile.map(JSONValue.string) ?? .null,
            "data_dir": .string(dataDirectory),
            "listen": listen.map(JSONValue.string),
            "uptime_seconds": uptimeSeconds.map(JSONValue.double),
            "disk": disk.map {
                .map(["total_bytes": .int($0.totalBytes), "free_bytes": .int($0.freeBytes)])
            },
            "written_at": writtenAt.map { .string(Timestamp.text($0)) },
            "space": space.map {
                .map([
                    "used_bytes": .int($0.usedBytes), "maximum_bytes": .int($0.maximumBytes),
                    "seconds_to_full": $0.secondsToFull.map(JSONValue.double) ?? .null,
                ])
            },
            "alerts": alerts.map(\.json),
            "tenants": .array(tenants.map(\.json)),
        ])
    }
}

extension AlertStatus {
    fileprivate var json: JSONValue {
        .map([
            "firing": .int(Int64(firing)),
            "left_out": .int(Int64(leftOut)),
            "alertmanagers": .array(
                alertmanagers.map { one in
                    .map([
                        "url": .string(one.url),
                        "sent_alerts": .uint(one.sentAlerts),
                        "failed_alerts": .uint(one.failedAlerts),
                        "last_success_at": one.lastSuccessAt == 0 ? .null : .string(Timestamp.text(one.lastSuccessAt)),
                        "reason": .string(one.lastError),
                    ])
                }),
        ])
    }
}

extension StatusReport.Tenant {
    fileprivate var json: JSONValue {
        .map([
            "tenant": .string(spool.tenant),
            "accepted_points": .int(spool.acceptedPoints),
            "accepted_requests": .int(spool.acceptedRequests),
            "refused_points": .int(spool.refusedPoints),
            "dropped_points": .int(spool.droppedAtIngestPoints),
            "points_per_second_in": .double(pointsPerSecond),
            "database_bytes": .int(spool.databaseBytes),
            "free_page_bytes": .int(spool.freePageBytes),
            "wal_bytes": .int(spool.walBytes),
            "maximum_bytes": spool.maximumBytes.map(JSONValue.int) ?? .null,
            "seconds_to_full": secondsToFull.map(JSONValue.double) ?? .null,
            "dead_letters": .int(spool.deadLetters),
            "set_aside_files": .int(spool.setAsideFiles),
            "set_aside_bytes": .int(spool.setAsideBytes),
            "salvaging": .bool(spool.salvaging != 0),
            "salvage_problem": spool.salvageProblem.map(JSONValue.string),
            "problem": problem.map(JSONValue.string),
            "refusal": spool.refusal.map(JSONValue.string),
            "current": .bool(isCurrent),
            "stalled_seconds": stalledSeconds.map(JSONValue.double),
            "chain": spool.chain.map { .map(["length": .int($0.length), "head": .string($0.head)]) },
            "losses": .int(spool.lossRows),
            "stored_since": spool.oldestStoredAt > 0 ? .string(Timestamp.text(spool.oldestStoredAt)) : .null,
            "replays": .int(spool.replays),
            "last_sequence": .int(spool.lastSequence),
            "backends": .array(backends.map(\.json)),
        ])
    }
}

extension StatusReport.Backend {
    fileprivate var json: JSONValue {
        .map([
            "backend": .string(ledger.name),
            "type": .string(ledger.type),
            "state": .string(state.name),
            "reason": .string(state.reason),
            "next_attempt_at": state.nextAttemptAt == 0 ? .null : .string(Timestamp.text(state.nextAttemptAt)),
            "owed_points": .int(ledger.owedPoints),
            "pending_points": .int(ledger.pendingPoints),
            "pending_bytes": .int(ledger.pendingBytes),
            "oldest_pending_seconds": .double(ledger.oldestPendingAgeSeconds),
            "backlog_points": .int(ledger.backlogPoints),
            "oldest_fresh_seconds": .double(ledger.oldestFreshAgeSeconds),
            "oldest_backlog_seconds": .double(ledger.oldestBacklogAgeSeconds),
            "delivered_points": .int(ledger.deliveredPoints),
            "assumed_points": .int(ledger.assumedPoints),
            "dead_points": .int(ledger.deadPoints),
            "lost_points": .int(ledger.lostPoints),
            "excluded_points": .int(ledger.excludedPoints),
            "in_flight_points": .int(Int64(pointsInFlight)),
            "points_per_second_out": .double(pointsPerSecond),
            "seconds_to_drained": secondsToDrained.map(JSONValue.double) ?? .null,
            "balances": .bool(ledger.balances),
        ])
    }
}
