/// The figures of a comparison, as a table for people and as JSON for machines.
struct CompareReport {
    let options: CompareOptions
    /// Holdfast is the first.
    let peers: [BenchPeer]
    /// By row and peer, of each round that gave one.
    private var figures: [CompareRow: [Int: [Int: Double]]] = [:]

    init(options: CompareOptions, peers: [BenchPeer]) {
        self.options = options
        self.peers = peers
    }

    /// The rows that have figures, in their order.
    var rows: [CompareRow] { CompareRow.allCases.filter { figures[$0] != nil } }

    func figure(_ row: CompareRow, _ peer: Int, round: Int) -> Double? { figures[row]?[peer]?[round] }

    mutating func take(_ measured: [CompareRow: Double], of peer: Int, round: Int) {
        for (row, value) in measured { figures[row, default: [:]][peer, default: [:]][round] = value }
    }

    func median(_ row: CompareRow, _ peer: Int) -> Double? {
        CompareReport.median((figures[row]?[peer]).map { Array($0.values) } ?? [])
    }

    /// Holdfast's figure as a multiple of the peer's: the median of what it was within each round, as what disturbs a
    /// machine disturbs both.
    func ratio(_ row: CompareRow, _ peer: Int) -> Double? {
        guard let own = figures[row]?[0], let others = figures[row]?[peer] else { return nil }
        return CompareReport.median(
            own.compactMap { round, value in others[round].flatMap { $0 == 0 ? nil : value / $0 } })
    }

    /// By how much of the target Holdfast misses it, at the vmagent that makes it hardest; not above zero: it is met.
    func shortfall(_ row: CompareRow) -> Double? {
        guard let target = row.target, let own = median(row, 0) else { return nil }
        let rivals = peers.indices.filter { peers[$0].kind == .vmagent }.compactMap { ratio(row, $0) }
        switch target {
        case .atLeast, .atMost: return target.shortfall(own, best: nil)
        // Ratios as they were within rounds, with the rival as the measure.
        case .atLeastTimes, .atMostTimes: return rivals.compactMap { target.shortfall($0, best: 1) }.max()
        }
    }

    var text: String {
        var table = TextTable(
            [("", .left), ("", .left), ("target", .left), (peers[0].name, .right), ("", .left)]
                + peers.dropFirst().flatMap { [($0.name, .right), ("ratio", .right)] })
        for row in rows {
            let verdict = shortfall(row).map { $0 > 0 ? "missed by \(Int(($0 * 100).rounded(.up))) %" : "met" } ?? ""
            let others = peers.indices.dropFirst().flatMap { peer in
                [
                    median(row, peer).map(CompareReport.short) ?? "-",
                    ratio(row, peer).map { CompareReport.short($0) + " x" } ?? "-",
                ]
            }
            table.add(
                [
                    row.title, row.unit, row.target?.text ?? "", median(row, 0).map(CompareReport.short) ?? "-",
                    verdict,
                ] + others)
        }
        let load =
            "\(options.scrapes) scrapes of \(options.series) series flat out, \(options.rate) samples/s steady; "
            + "medians of \(options.rounds) round\(options.rounds == 1 ? "" : "s"), ratios within rounds"
        return table.text + load
    }

    static func median(_ values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// Three digits that count; millions as such.
    static func short(_ value: Double) -> String {
        let size = abs(value)
        if size >= 1e6 { return "\((value / 1e4).rounded() / 100) M" }
        if size >= 100 || value == value.rounded() { return "\(Int(value.rounded()))" }
        return size >= 10 ? "\((value * 10).rounded() / 10)" : "\((value * 100).rounded() / 100)"
    }
}
