/// One call to the disk, as a trace shows it.
struct DiskCall: Sendable, Hashable, CustomStringConvertible {
    enum Kind: String, Sendable, CaseIterable {
        case look, list, open, create, read, write, truncate, sync, syncFolder, makeFolder, rename, remove, reserve
        case mapMemory
    }
    /// Calls that change something on the disk, or make it stay.
    static let changes: Set<Kind> = [
        .create, .write, .truncate, .sync, .syncFolder, .makeFolder, .rename, .remove, .reserve,
    ]

    var kind: Kind
    var path: String
    /// Which open file made it, counted over the disk's life; 0 for calls by path.
    var handle: Int
    /// The thread that made it, as `pthread_self` has it.
    var thread: UInt64
    /// Which call of the disk's life it was, counted from 1.
    var number: Int
    /// Where a write begins; a truncation's new size.
    var offset: Int
    /// Of a write.
    var bytes: Int

    var description: String { "\(number): \(kind) \(path) #\(handle) \(offset)+\(bytes)" }
}

/// What happened on a disk.
struct DiskTally: Sendable, Hashable {
    var calls = 0
    var powerCuts = 0
    var kills = 0
    /// Unsynced writes that a power cut met.
    var writesAtRisk = 0
    /// Rows that were merged meanwhile.
    var repackedRows: Int64 = 0
    var faults: [DiskFault.Kind: Int] = [:]

    mutating func add(_ other: DiskTally) {
        calls += other.calls
        powerCuts += other.powerCuts
        kills += other.kills
        writesAtRisk += other.writesAtRisk
        repackedRows += other.repackedRows
        faults.merge(other.faults, uniquingKeysWith: +)
    }
}
