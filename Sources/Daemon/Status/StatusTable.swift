import Metrics

/// `status` for people, from the admin API's JSON.
enum StatusTable {
    static func text(_ status: JSONValue) -> String {
        var text = headline(status)
        let tenants = status["tenants"]?.array ?? []
        if tenants.isEmpty { return text + "\nNo tenant has a spool yet.\n" }
        text += "\n" + tenantTable(tenants) + "\n" + backendTable(tenants)
        let notes = alertNotes(status["alerts"]) + tenants.flatMap(notes)
        if !notes.isEmpty { text += "\n" + notes.map { $0 + "\n" }.joined() }
        return text
    }

    private static func headline(_ status: JSONValue) -> String {
        let version = status["version"]?.string ?? "?"
        let folder = status["data_dir"]?.string ?? "?"
        let written = status["written_at"]?.string.map { " at \($0)" } ?? ""
        guard status["running"]?.bool == true else {
            return "holdfast \(version), not running: as it was left in \(folder)\(written)\n"
        }
        guard status["answers"]?.bool != false else {
            let process = status["process"]?.int.map { "PID \($0)" } ?? "PID not known"
            return "holdfast \(version), runs (\(process)) and does not answer: as it was last written in "
                + "\(folder)\(written)\n"
        }
        let uptime = Amount.duration(seconds: status["uptime_seconds"]?.double ?? 0)
        let listen = status["listen"]?.string ?? "?"
        var line = "holdfast \(version), up \(uptime), listening on \(listen), data in \(folder)"
        if let free = status["disk"]?["free_bytes"]?.int { line += " (\(Amount.bytes(free)) free)" }
        line += "\n"
        if let used = status["space"]?["used_bytes"]?.int, let maximum = status["space"]?["maximum_bytes"]?.int {
            line += "spools and archives take \(Amount.bytes(used)) of \(Amount.bytes(maximum))"
            if let seconds = status["space"]?["seconds_to_full"]?.double {
                line += ", full in \(Amount.duration(seconds: seconds))"
            }
            line += "\n"
        }
        return line
    }

    private static func tenantTable(_ tenants: [JSONValue]) -> String {
        var table = TextTable([
            ("TENANT", .left), ("ACCEPTED", .right), ("IN/S", .right), ("REFUSED", .right), ("DISK", .right),
            ("FULL IN", .right),
        ])
        for tenant in tenants {
            let used = (tenant["database_bytes"]?.int ?? 0) + (tenant["wal_bytes"]?.int ?? 0)
            table.add([
                tenant["tenant"]?.string ?? "?", count(tenant["accepted_points"]), rate(tenant["points_per_second_in"]),
                count(tenant["refused_points"]), Amount.bytes(used), duration(tenant["seconds_to_full"]),
            ])
        }
        return table.text
    }

    private static func backendTable(_ tenants: [JSONValue]) -> String {
        var table = TextTable([
            ("TENANT", .left), ("BACKEND", .left), ("STATE", .left), ("PENDING", .right), ("BYTES", .right),
            ("OLDEST", .right), ("OUT/S", .right), ("DRAINED IN", .right), ("DELIVERED", .right), ("DEAD", .right),
            ("LOST", .right), ("EXCLUDED", .right),
        ])
        for tenant in tenants {
            for backend in tenant["backends"]?.array ?? [] {
                let delivered = (backend["delivered_points"]?.int ?? 0) + (backend["assumed_points"]?.int ?? 0)
                let isPending = (backend["pending_points"]?.int ?? 0) > 0
                table.add([
                    tenant["tenant"]?.string ?? "?", backend["backend"]?.string ?? "?", backend["state"]?.string ?? "?",
                    count(backend["pending_points"]), Amount.bytes(backend["pending_bytes"]?.int ?? 0),
                    isPending ? duration(backend["oldest_pending_seconds"]) : "-",
                    rate(backend["points_per_second_out"]), isPending ? duration(backend["seconds_to_drained"]) : "-",
                    Amount.count(delivered), count(backend["dead_points"]), count(backend["lost_points"]),
                    count(backend["excluded_points"]),
                ])
            }
        }
        return table.text
    }

    /// How many alerts fire, and which Alertmanagers do not hear of them.
    private static func alertNotes(_ alerts: JSONValue?) -> [String] {
        guard let alerts else { return [] }
        var notes: [String] = []
        if let firing = alerts["firing"]?.int, firing > 0 {
            let left = alerts["left_out"]?.int ?? 0
            notes.append(
                "\(Amount.count(firing, "alert")) firing"
                    + (left > 0 ? "; \(Amount.count(left)) more are left out, as there is no place for them" : ""))
        }
        for one in alerts["alertmanagers"]?.array ?? [] {
            guard let reason = one["reason"]?.string, !reason.isEmpty else { continue }
            notes.append("Alertmanager \(one["url"]?.string ?? "?") does not take alerts: \(reason)")
        }
        return notes
    }

    /// What a column has no room for: why a lane waits, and whether the ledger is at odds with itself.
    private static func notes(_ tenant: JSONValue) -> [String] {
        var notes: [String] = []
        let id = tenant["tenant"]?.string ?? "?"
        if let dropped = tenant["dropped_points"]?.int, dropped > 0 {
            notes.append(
                "\(id): \(Amount.count(dropped)) points found no room (budget, or free-space reserve) and were dropped, as "
                    + "when_full: drop_newest says; their senders were answered with success")
        }
        let problem = tenant["problem"]?.string
        if let problem {
            notes.append(
                "\(id): its spool cannot be opened, requests are answered with 503: \(problem); where that is owner, "
                    + "rights or disk, `holdfast doctor` says what mends it; the numbers are the last ones noted")
        } else if let seconds = tenant["stalled_seconds"]?.double {
            notes.append(
                "\(id): the disk has not answered for \(Amount.duration(seconds: seconds)); its requests wait, and its "
                    + "numbers are the last ones before that")
        } else if tenant["current"]?.bool == false {
            notes.append(
                "\(id): its spool was not closed, or has changed since; these numbers are the last ones noted before, and "
                    + "may be old")
        }
        if let refusal = tenant["refusal"]?.string, problem == nil {
            notes.append("\(id): new points are refused with 503: \(refusal)")
        }
        if tenant["salvaging"]?.bool == true {
            let problem = tenant["salvage_problem"]?.string.map { "; it waits: \($0)" } ?? ""
            notes.append("\(id): a damaged spool is being carried over; delivery goes on when that is done\(problem)")
        }
        if let files = tenant["set_aside_files"]?.int, files > 0 {
            let size = Amount.bytes(tenant["set_aside_bytes"]?.int ?? 0)
            notes.append("\(id): \(files) set aside (\(size)); `holdfast doctor` names what is kept there")
        }
        for backend in tenant["backends"]?.array ?? [] {
            let name = "\(id)/\(backend["backend"]?.string ?? "?")"
            let reason = backend["reason"]?.string ?? ""
            let next = backend["next_attempt_at"]?.string
            switch backend["state"]?.string {
            // Said once for all of them.
            case "backing_off" where problem != nil: break
            case "backing_off": notes.append("\(name) backing off until \(next ?? "soon"): \(reason)")
            case "held": notes.append("\(name) is held: \(reason)" + (next.map { "; next probe at \($0)" } ?? ""))
            case "detached": notes.append("\(name): \(reason)")
            default: break
            }
            if let note = backlogNote(backend) { notes.append("\(name): \(note)") }
            if backend["balances"]?.bool == false {
                notes.append(
                    "\(name): owed does not equal delivered + pending + dead + lost + excluded; please report it")
            }
        }
        return notes
    }

    /// How far each lane is behind, where there are two.
    private static func backlogNote(_ backend: JSONValue) -> String? {
        guard let points = backend["backlog_points"]?.int, points > 0, backend["state"]?.string != "detached" else {
            return nil
        }
        let pending = backend["pending_points"]?.int ?? 0
        let fresh =
            pending > points ? "fresh points wait \(duration(backend["oldest_fresh_seconds"]))" : "nothing fresh waits"
        let age = duration(backend["oldest_backlog_seconds"])
        return "\(fresh); the backlog has \(Amount.count(points)) points, the oldest \(age) old"
    }

    private static func count(_ value: JSONValue?) -> String { Amount.count(value?.int ?? 0) }
    private static func duration(_ value: JSONValue?) -> String {
        value?.double.map { Amount.duration(seconds: $0) } ?? "-"
    }
    private static func rate(_ value: JSONValue?) -> String {
        let rate = value?.double ?? 0
        return rate >= 10 || rate == 0 ? Amount.count(Int64(rate)) : "\((rate * 10).rounded() / 10)"
    }
}
