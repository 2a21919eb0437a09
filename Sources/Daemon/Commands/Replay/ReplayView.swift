import Metrics

/// What is shown of replays.
struct ReplayView: Sendable {
    var isJSON: Bool

    func list(_ client: AdminClient, _ tenant: String?) async throws(CommandFailure) {
        var table = TextTable([
            ("ID", .left), ("BACKEND", .left), ("STATE", .left), ("DONE", .right), ("SENT", .right),
            ("REFUSED", .right),
            ("BEGUN", .left), ("WHAT", .left),
        ])
        var (count, after): (Int, String?) = (0, nil)
        repeat {
            let words = [("tenant", tenant), ("after", after)].compactMap { name, value in
                value.map { "\(name)=\(LetterReader.encoded($0))" }
            }
            let page = try await client.asked { (client) async throws(AdminClient.Failure) in
                try await client.get("/v1/replay?\(words.joined(separator: "&"))")
            }
            for job in page["replays"]?.array ?? [] {
                count += 1
                if isJSON { Terminal.print(job.rendered + "\n") } else { table.add(ReplayView.cells(job)) }
            }
            after = page["next"]?.string
        } while after != nil
        guard !isJSON else { return }
        if count > 0 { Terminal.print(table.text) }
        Terminal.printError("\(count) replay\(count == 1 ? "" : "s")\n")
    }

    private static func cells(_ job: JSONValue) -> [String] {
        [
            job["id"]?.string ?? "?", job["backend"]?.string ?? "?", job["state"]?.string ?? "?",
            "\(Int(share(job) * 100)) %", Amount.count(job["sent_points"]?.int ?? 0),
            Amount.count(job["dead_points"]?.int ?? 0), job["created_at"]?.string ?? "?", selection(job),
        ].map(Terminal.harmless)
    }

    func show(_ client: AdminClient, _ id: LetterID) async throws(CommandFailure) {
        let job = try await ReplayView.job(client, id)
        if isJSON { return Terminal.print(json: job) }
        func text(_ key: String) -> String { Terminal.harmless(job[key]?.string ?? "-") }
        var rows = [
            ("replay", text("id")), ("backend", text("backend")),
            ("state", text("state") + (job["problem"]?.string.map { ": \(Terminal.harmless($0))" } ?? "")),
            ("selects", Terminal.harmless(ReplayView.selection(job))),
            (
                "done",
                "\(Int(ReplayView.share(job) * 100)) % of \(Amount.count(job["span_points"]?.int ?? 0)) stored points"
            ),
            ("points", ReplayView.outcome(job)), ("begun", "\(text("created_at")), \(text("asked"))"),
        ]
        if job["delivery"] != nil { rows.append(("delivery", text("delivery"))) }
        Terminal.print(TextTable.pairs(rows))
        let refusals = job["refusals"]?.array ?? []
        guard !refusals.isEmpty else { return }
        var table = TextTable([
            ("POINTS", .right), ("STATUS", .right), ("TIME", .left), ("FIRST SERIES", .left), ("IT SAID", .left),
        ])
        for refusal in refusals {
            table.add(
                [
                    Amount.count(refusal["points"]?.int ?? 0), String(refusal["status"]?.int ?? 0),
                    refusal["time"]?.string ?? "?", refusal["series"]?.string ?? "?", refusal["excerpt"]?.string ?? "",
                ].map(Terminal.harmless))
        }
        Terminal.print("\n" + table.text)
    }

    func preview(_ client: AdminClient, _ body: JSONValue) async throws(CommandFailure) {
        let found = try await client.asked { (client) async throws(AdminClient.Failure) in
            try await client.post("/v1/replay/preview", body: body)
        }
        if isJSON { return Terminal.print(json: found) }
        func number(_ key: String) -> Int64 { found[key]?.int ?? 0 }
        var text =
            "\(Amount.count(number("points"))) points of \(Amount.count(number("series"))) series would be sent, "
        text += "\(Amount.bytes(number("bytes"))) in \(Amount.count(number("requests"))) requests\n"
        if let oldest = found["oldest"]?.string, let newest = found["newest"]?.string {
            text += "measured from \(oldest) to \(newest)\n"
        }
        for (key, what) in [
            ("excluded_points", "left out: still owed, kept back by rules, or not to be represented there"),
            ("lost_points", "unreadable"),
        ] where number(key) > 0 { text += "\(Amount.count(number(key))) \(what)\n" }
        if let old = found["old_points"]?.string { text += "\(Terminal.harmless(old))\n" }
        Terminal.print(text)
        guard found["is_whole"]?.bool == false else { return }
        throw CommandFailure(
            "there was no time to look at all: this is of the first \(Amount.count(number("passed_points"))) of "
                + "\(Amount.count(number("span_points"))) stored points")
    }

    // MARK: Words

    static func job(_ client: AdminClient, _ id: LetterID) async throws(CommandFailure) -> JSONValue {
        try await client.asked { (client) async throws(AdminClient.Failure) in
            try await client.get("/v1/replay/\(LetterReader.encoded(id.tenant))/\(id.number)")
        }
    }

    /// How much of what is stored it has passed.
    static func share(_ job: JSONValue) -> Double {
        let (all, passed) = (job["span_points"]?.int ?? 0, job["passed_points"]?.int ?? 0)
        return all > 0 ? min(1, Double(passed) / Double(all)) : job["state"]?.string == "done" ? 1 : 0
    }

    private static func selection(_ job: JSONValue) -> String {
        var parts: [String] = []
        if let match = job["match"]?.string { parts.append(match) }
        if let from = job["from"]?.string { parts.append("from \(from)") }
        if let to = job["to"]?.string { parts.append("to \(to)") }
        return parts.isEmpty ? "all series, all times" : parts.joined(separator: " ")
    }

    /// Every term that is not zero: `1,200 selected = 1,190 sent + 10 dead`.
    static func outcome(_ job: JSONValue) -> String {
        let terms = ["sent", "pending", "dead", "lost", "excluded", "pruned"].compactMap { term -> String? in
            let points = job["\(term)_points"]?.int ?? 0
            return points > 0 ? "\(Amount.count(points)) \(term)" : nil
        }
        let all = Amount.count(job["selected_points"]?.int ?? 0)
        return "\(all) selected = \(terms.isEmpty ? "0" : terms.joined(separator: " + "))"
    }
}
