/// What was received, minute by minute, as long as there are receipts.
struct ReportMinutes {
    struct Minute {
        /// Of its receipts.
        var firstAt: Int64
        var lastAt: Int64
        var points: Int64
        var lastSequence: Int64
    }

    /// Rising.
    private(set) var all: [Minute] = []

    static let width: Int64 = 60_000_000_000
    /// Of four years.
    private static let maximumCount = 2_000_000

    mutating func add(_ minute: Minute) throws(AuditError) {
        guard all.count < ReportMinutes.maximumCount else {
            throw AuditError(.tooLarge, "the receipts are of too long a time")
        }
        all.append(minute)
    }

    /// - Returns: nil when there was none; good to a minute.
    func firstReceipt(after time: Int64, from sequence: Int64) -> Int64? {
        let index = all.partitioningIndex { $0.lastAt > time && $0.lastSequence >= sequence }
        return index < all.count ? max(time, all[index].firstAt) : nil
    }

    /// Whatever has a later one came later.
    func lastSequence(upTo time: Int64) -> Int64 {
        let index = all.partitioningIndex { $0.lastAt > time }
        return index == 0 ? 0 : all[index - 1].lastSequence
    }

    /// Of the minutes that begin in this time.
    func points(from start: Int64, to end: Int64) -> Int64 {
        var sum: Int64 = 0
        var index = all.partitioningIndex { $0.firstAt >= start }
        while index < all.count, all[index].firstAt < end {
            sum = sum &+ all[index].points
            index += 1
        }
        return sum
    }
}

extension Array {
    /// The first that fulfils what all behind it do.
    fileprivate func partitioningIndex(_ fulfils: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if fulfils(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
