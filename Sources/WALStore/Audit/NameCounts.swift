/// How many points there are of each name, given out as so many rows, name by name.
///
/// `SELECT name, count(*) FROM points GROUP BY name` would else sort all points by their names.
final class NameCounts {
    private let names: AuditNames
    private var totals: [Int64] = []
    private var perSeries: [Int64] = []
    /// Numbers of names that have points, in the order of their bytes.
    private var order: [Int] = []
    private var index = 0
    private var isOnce = false

    init(_ names: AuditNames) { self.names = names }

    /// - Parameter chosen: only those that the block's series say are wanted.
    func add(_ block: AuditBlock, chosen: Bool) throws(AuditError) {
        let series = block.series
        perSeries.removeAll(keepingCapacity: true)
        perSeries.append(contentsOf: repeatElement(0, count: series.names.count))
        let ids = block.ids
        perSeries.withUnsafeMutableBufferPointer { counts in for id in ids { counts[Int(id)] += 1 } }
        for (id, count) in perSeries.enumerated() where count > 0 && (!chosen || series.wanted[id]) {
            guard let name = series.names[id] else {
                throw AuditError(.tooLarge, "there are too many different names to count by name")
            }
            while totals.count <= name.number { totals.append(0) }
            totals[name.number] += count
        }
    }

    /// - Parameter once: each name is given once.
    func begin(once: Bool, isReversed: Bool) {
        isOnce = once
        order = totals.indices.filter { totals[$0] > 0 }.sorted { names[$0].lexicographicallyPrecedes(names[$1]) }
        if isReversed { order.reverse() }
        index = 0
        start()
    }

    private func start() {
        guard index < order.count else { return }
        run = Run(name: names[order[index]], count: isOnce ? 1 : totals[order[index]])
    }

    /// So many rows of one name.
    struct Run {
        var name: UnsafeRawBufferPointer
        var count: Int64
    }
    /// nil behind the last one.
    private(set) var run: Run?

    func next() {
        run = nil
        index += 1
        start()
    }
}
