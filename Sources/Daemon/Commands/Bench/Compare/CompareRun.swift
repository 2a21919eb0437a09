/// One comparison: rounds of phases, those compared in turn in each.
struct CompareRun {
    let options: CompareOptions
    /// Progress, for a person who waits.
    let say: (String) -> Void

    func run() throws(BenchFailure) -> CompareReport {
        var all = [BenchPeer.own]
        for peer in options.peers { all.append(try peer.named(in: options.folder)) }
        var report = CompareReport(options: options, peers: all)
        for round in 0..<options.rounds {
            // Whoever is first finds another machine than whoever is last: each is, in its turn.
            let order = all.indices.map { ($0 + round) % all.count }
            for phase in options.phases {
                for index in order where !phase.isOwn || all[index].kind == .holdfast {
                    say("round \(round + 1) of \(options.rounds), \(phase.rawValue): \(all[index].name)")
                    report.take(try measure(phase, all[index]), of: index, round: round)
                }
            }
        }
        return report
    }

    /// A peer that fails has no figures, and the others have theirs; if Holdfast fails, there is nothing to compare.
    private func measure(_ phase: ComparePhase, _ peer: BenchPeer) throws(BenchFailure) -> [CompareRow: Double] {
        do throws(BenchFailure) {
            return try ComparePhaseRun(options: options, peer: peer).run(phase)
        } catch {
            if peer == .own { throw error }
            say("\(peer.name): \(error)")
            return [:]
        }
    }
}
