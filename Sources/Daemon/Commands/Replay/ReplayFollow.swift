import Metrics

/// Begins a replay, and follows it until it is over or pauses.
struct ReplayFollow: Sendable {
    var isJSON: Bool
    var isDetached: Bool

    private static let barWidth = 30

    func run(_ client: AdminClient, _ body: JSONValue) async throws(CommandFailure) {
        var job = try await client.asked { (client) async throws(AdminClient.Failure) in
            try await client.post("/v1/replay", body: body)
        }
        guard let id = job["id"]?.string.flatMap({ LetterID($0) }) else {
            throw CommandFailure("the daemon did not say which replay it began")
        }
        if isDetached {
            return isJSON ? Terminal.print(json: job) : Terminal.print("replay \(id) has begun\n")
        }
        if !isJSON {
            Terminal.printError(
                "replay \(id) has begun, and goes on without this command; `holdfast replay cancel \(id)` ends it\n")
        }
        let began = ContinuousClock.now
        var line = ProgressLine(isQuiet: isJSON)
        let first = ReplayView.share(job)
        while job["state"]?.string == "running" {
            // Cancelled or not, it looks again.
            try? await Task.sleep(for: .milliseconds(500))
            do throws(CommandFailure) { job = try await ReplayView.job(client, id) } catch {
                line.end()
                throw CommandFailure("\(error.description); replay \(id) may go on")
            }
            let elapsed = (ContinuousClock.now - began) / .seconds(1)
            line.show(ReplayFollow.text(job, since: first, elapsed), elapsed)
        }
        line.end()
        try end(job, id)
    }

    private func end(_ job: JSONValue, _ id: LetterID) throws(CommandFailure) {
        let state = job["state"]?.string ?? "?"
        if isJSON {
            Terminal.print(json: job)
        } else {
            Terminal.print("replay \(id) is \(state): \(ReplayView.outcome(job))\n")
        }
        guard state == "done" else {
            throw CommandFailure(job["problem"]?.string.map(Terminal.harmless) ?? "replay \(id) is \(state)")
        }
        let missing = (job["dead_points"]?.int ?? 0) + (job["lost_points"]?.int ?? 0) + (job["pruned_points"]?.int ?? 0)
        guard missing == 0 else {
            throw CommandFailure(
                "\(Amount.count(missing)) points did not get there; `holdfast replay show \(id)` says more")
        }
    }

    /// - Parameters:
    ///   - first: the share that was passed at the beginning.
    ///   - elapsed: seconds since then.
    static func text(_ job: JSONValue, since first: Double, _ elapsed: Double) -> String {
        let share = ReplayView.share(job)
        let full = Int(share * Double(barWidth))
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: barWidth - full)
        var text = "[\(bar)]  \(Int(share * 100)) %  \(Amount.count(job["sent_points"]?.int ?? 0)) sent"
        if let rate = job["points_per_second"]?.double, rate >= 1 { text += "  \(Amount.count(Int64(rate)))/s" }
        if share > first, elapsed > 0 {
            let left = (1 - share) / (share - first) * elapsed
            text += "  about \(Amount.duration(seconds: left)) left"
        }
        if let delivery = job["delivery"]?.string, delivery != "ok" { text += "  \(Terminal.harmless(delivery))" }
        return text
    }
}
