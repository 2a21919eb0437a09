import Metrics

/// The series of a block, with what columns show of them. Blocks that follow each other mostly have the same.
final class AuditSeries {
    /// The sections that it was made of.
    let key: [UInt8]
    /// Series, and what they refer to; no points.
    let batch: Batch
    /// What is known of each before its first value.
    let predictors: [ValuePredictor]
    /// A name each; nil for those that there was no room to remember. At an address of its own: a point's name is found
    /// without a count of who looks at it.
    let names: UnsafeMutableBufferPointer<AuditNames.Name?>
    private var labels: [[UInt8]]
    /// Which of them the question can be about.
    private(set) var wanted: [Bool] = []
    private(set) var hasWanted = true
    private var question = 0

    init(key: [UInt8], batch: Batch, predictors: [ValuePredictor], names pool: AuditNames) {
        self.key = key
        self.batch = batch
        self.predictors = predictors
        names = .allocate(capacity: batch.series.count)
        for id in 0..<batch.series.count {
            let name = batch.series.withLabels(of: UInt32(id)) { labels in pool.find(AuditSeries.name(labels)) }
            names.initializeElement(at: id, to: name)
        }
        labels = Array(repeating: [], count: batch.series.count)
    }

    deinit { names.deallocate() }

    /// Bytes that it takes, roughly.
    var bytes: Int { key.count + batch.allocatedBytes + batch.series.count * 64 }

    private static func name(_ labels: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        for label in LabelIterator(labels) where label.name.elementsEqual(Batch.nameLabel) { return label.value }
        return UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// Lends the name of one series.
    func withName<Result>(of id: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        if let name = names[id] { return body(name.bytes) }
        return batch.series.withLabels(of: UInt32(id)) { body(AuditSeries.name($0)) }
    }

    /// Labels but the name, as a JSON object.
    func labels(of id: Int) -> [UInt8] {
        if labels[id].isEmpty {
            batch.series.withLabels(of: UInt32(id)) { JSONRecordEncoder.appendLabels($0, into: &labels[id]) }
        }
        return labels[id]
    }

    /// Finds out which are wanted, once a question.
    ///
    /// - Parameter question: a number of its own for each filter.
    func choose(_ filter: AuditFilter, question: Int) {
        guard self.question != question else { return }
        self.question = question
        wanted = (0..<batch.series.count).map { id in
            withName(of: id) { filter.admits(batch, series: UInt32(id), name: $0) }
        }
        hasWanted = wanted.contains(true)
    }
}
