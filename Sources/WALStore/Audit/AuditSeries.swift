import Metrics

/// The series of a block: those that it says itself, and those that are left where its bases have them. Blocks that follow
/// each other mostly have the same.
final class AuditSeries {
    /// Neighbours in the block that are neighbours in one table.
    private struct Run {
        var series: Range<Int>
        var table: KnownSeries
        /// The number there of the first.
        var first: Int

        var numbers: Range<Int> { first..<first + series.count }
    }

    /// The sections that it was made of.
    let key: [UInt8]
    let count: Int
    private let runs: [Run]
    /// Numbers of those that the question can be about, rising.
    private(set) var wantedNumbers: [Int] = []
    private var flags: [Bool]?
    private var question = 0

    /// Of a block that says all itself.
    init(key: [UInt8], own: KnownSeries) {
        self.key = key
        count = own.count
        runs = count == 0 ? [] : [Run(series: 0..<count, table: own, first: 0)]
    }

    /// Of a block that stands on bases.
    ///
    /// - Parameter tables: of its bases, in its order.
    init(key: [UInt8], own: KnownSeries, _ standing: [BaseRun], tables: [KnownSeries]) {
        self.key = key
        var (runs, count) = ([Run](), 0)
        runs.reserveCapacity(standing.count)
        for run in standing {
            let table = run.base.map { tables[$0] } ?? own
            runs.append(Run(series: count..<count + run.count, table: table, first: run.first))
            count += run.count
        }
        self.count = count
        self.runs = runs
    }

    deinit { if let known { known.deallocate() } }

    /// Bytes that it takes besides what its bases do, roughly.
    var bytes: Int {
        let own = runs.first { $0.table.base == nil }
        return key.count + count * 32 + runs.count * MemoryLayout<Run>.stride + (own?.table.bytes ?? 0)
    }

    /// Where a series is: its table, and its number there.
    func find(_ id: Int) -> (table: KnownSeries, number: Int) {
        var (low, high) = (0, runs.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].series.upperBound <= id { low = middle + 1 } else { high = middle }
        }
        return (runs[low].table, runs[low].first + id - runs[low].series.lowerBound)
    }

    // MARK: Columns

    private var known: UnsafeMutableBufferPointer<AuditNames.Name?>?

    /// A name each; nil for those that there was no room to remember. At an address of its own, as long as this object
    /// lives: a point's name is found without a count of who looks at it.
    var names: UnsafeMutableBufferPointer<AuditNames.Name?> {
        if let known { return known }
        let names = UnsafeMutableBufferPointer<AuditNames.Name?>.allocate(capacity: count)
        for run in runs {
            let known = run.table.names[run.numbers]
            for (id, name) in zip(run.series, known) { names.initializeElement(at: id, to: name) }
        }
        known = names
        return names
    }

    /// Lends the name of one series.
    func withName<Result>(of id: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let (table, number) = find(id)
        return table.withName(of: number, body)
    }

    /// Labels but the name, as a JSON object.
    func labels(of id: Int) -> [UInt8] {
        let (table, number) = find(id)
        return table.labels(of: number)
    }

    /// What is known of each before its first value.
    func predictors() -> [ValuePredictor] {
        var predictors: [ValuePredictor] = []
        predictors.reserveCapacity(count)
        for run in runs {
            if let base = run.table.base {
                predictors.append(contentsOf: base.predictors[run.numbers])
            } else {
                predictors.append(contentsOf: repeatElement(ValuePredictor(), count: run.series.count))
            }
        }
        return predictors
    }

    // MARK: What is wanted

    /// Finds out which are wanted, once a question.
    ///
    /// - Parameter question: a number of its own for each filter.
    /// - Returns: how many series had to be looked at.
    func choose(_ filter: AuditFilter, question: Int) -> Int {
        guard self.question != question else { return 0 }
        self.question = question
        wantedNumbers = []
        flags = nil
        var looks = 0
        for run in runs {
            looks += run.table.choose(filter, question: question)
            for number in run.table.wanted(in: run.numbers) {
                wantedNumbers.append(run.series.lowerBound + number - run.first)
            }
        }
        return looks
    }

    var hasWanted: Bool { !wantedNumbers.isEmpty }

    /// Whether so few are wanted that their points are better looked for than all looked at.
    var areFewWanted: Bool { wantedNumbers.count * 8 <= count }

    /// Whether the question can be about it, for each.
    var wanted: [Bool] {
        if let flags { return flags }
        var flags = Array(repeating: false, count: count)
        for number in wantedNumbers { flags[number] = true }
        self.flags = flags
        return flags
    }
}
