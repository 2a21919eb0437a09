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
    private var left: Int64 = 0
    private var isOnce = false

    init(_ names: AuditNames) { self.names = names }

    /// - Parameter chosen: only those that the block's series say are wanted.
    func add(_ block: AuditBlock, chosen: Bool) throws(AuditError) {
        let series = block.series
        perSeries.removeAll(keepingCapacity: true)
        perSeries.append(contentsOf: repeatElement(0, count: series.names.count))
        for id in block.ids { perSeries[Int(id)] += 1 }
        for (id, count) in perSeries.enumerated() where count > 0 && (!chosen || series.wanted[id]) {
            guard let name = series.names[id] else {
                throw AuditError(.tooLarge, "there are too many different names to count by name")
            }
            while totals.count <= name.number { totals.append(0) }
            totals[name.number] += count
        }
    }

    /// - Parameter once: each name is given once.
    func begin(once: Bool) {
        isOnce = once
        order = totals.indices.filter { totals[$0] > 0 }.sorted { names[$0].lexicographicallyPrecedes(names[$1]) }
        index = 0
        start()
    }

    private func start() {
        guard index < order.count else { return }
        left = isOnce ? 1 : totals[order[index]]
    }

    var isAtEnd: Bool { index == order.count }
    var name: UnsafeRawBufferPointer { names[order[index]] }

    func next() {
        left -= 1
        guard left == 0 else { return }
        index += 1
        start()
    }
}
