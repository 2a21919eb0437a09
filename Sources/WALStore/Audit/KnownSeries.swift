import Metrics

/// The series of one table, a block's own or a base's, with what columns show of them and which of them a question is about.
///
/// Many blocks stand on one base: what is found out of its series is found out once.
final class KnownSeries {
    /// Series, and what they refer to; no points.
    let batch: Batch
    /// Whose they are; nil: a block's own.
    let base: BlockBase?
    private let pool: AuditNames
    private var labels: [[UInt8]] = []
    /// Numbers of those that the question can be about, rising.
    private var wanted: [Int] = []
    private var question = 0

    /// - Parameter own: those that a block says itself.
    init(own batch: Batch, names pool: AuditNames) {
        self.batch = batch
        self.pool = pool
        base = nil
    }

    init(_ base: BlockBase, names pool: AuditNames) {
        var batch = Batch()
        batch.series = base.series
        self.batch = batch
        self.base = base
        self.pool = pool
    }

    deinit { if let known { known.deallocate() } }

    var count: Int { batch.series.count }

    /// Bytes that it takes, roughly.
    var bytes: Int { (base?.allocatedBytes ?? batch.allocatedBytes) + count * 64 }

    // MARK: Names and labels

    private var known: UnsafeMutableBufferPointer<AuditNames.Name?>?

    /// A name each, as long as this object lives; nil for those that there was no room to remember.
    var names: UnsafeMutableBufferPointer<AuditNames.Name?> {
        if let known { return known }
        let names = UnsafeMutableBufferPointer<AuditNames.Name?>.allocate(capacity: count)
        for id in 0..<count {
            let name = batch.series.withLabels(of: UInt32(id)) { labels in pool.find(KnownSeries.name(labels)) }
            names.initializeElement(at: id, to: name)
        }
        known = names
        return names
    }

    private static func name(_ labels: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        for label in LabelIterator(labels) where label.name.elementsEqual(Batch.nameLabel) { return label.value }
        return UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// Lends the name of one series.
    func withName<Result>(of id: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        batch.series.withLabels(of: UInt32(id)) { body(KnownSeries.name($0)) }
    }

    /// Labels but the name, as a JSON object.
    func labels(of id: Int) -> [UInt8] {
        if labels.isEmpty { labels = Array(repeating: [], count: count) }
        if labels[id].isEmpty {
            batch.series.withLabels(of: UInt32(id)) { JSONRecordEncoder.appendLabels($0, into: &labels[id]) }
        }
        return labels[id]
    }

    // MARK: What is wanted

    /// Finds out which are wanted, once a question.
    ///
    /// - Parameter question: a number of its own for each filter.
    /// - Returns: how many had to be looked at.
    func choose(_ filter: AuditFilter, question: Int) -> Int {
        guard self.question != question else { return 0 }
        self.question = question
        let isPlain = batch.series.isPlain && !filter.needles.isEmpty
        wanted = (isPlain ? batch.series.ids(holding: filter.needles) : Array(0..<count)).filter { id in
            let isNamed = filter.names == nil || withName(of: id) { filter.admits(name: $0) }
            return isNamed && filter.admits(batch, series: UInt32(id))
        }
        return count
    }

    /// Of the wanted ones those between two numbers.
    func wanted(in range: Range<Int>) -> ArraySlice<Int> {
        wanted[lowerBound(range.lowerBound)..<lowerBound(range.upperBound)]
    }

    /// The first of the wanted ones that is no less.
    private func lowerBound(_ number: Int) -> Int {
        var (low, high) = (0, wanted.count)
        while low < high {
            let middle = (low + high) / 2
            if wanted[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
