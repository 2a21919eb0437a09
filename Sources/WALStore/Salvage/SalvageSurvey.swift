/// What a first walk over a spool that was set aside finds out: whose it is, what its books say, and how far it goes. No
/// block is read.
struct SalvageSurvey {
    /// The row of `spool`.
    struct Identity {
        var tenant: String
        var uuid: [UInt8]
        var createdWall: Int64
        var end: (sequence: Int64, position: Int64)
        var acceptedRequests: Int64
        var refusedPoints: Int64
        var droppedPoints: Int64
        var version: Int64
        var clock: SpoolClock
    }
    struct Range {
        var backendID: Int64
        var range: OwedRange
    }
    /// A row of `batches` as its own columns have it.
    struct Batch {
        var sequence: Int64
        var position: Int64
        var points: Int64
        var endPosition: Int64 { position + points }
    }

    var identity: Identity?
    var backends: [BackendState] = []
    var ranges: [Range] = []
    var incarnations: [SalvagedIncarnation] = []
    var oldest: Batch?
    var newest: Batch?
    /// Of each table whose rows are copied as they are, the highest id and the page it is on.
    var lastCopied: [SalvageTable: (id: Int64, page: UInt32)] = [:]
    /// The highest id of a receipt that a refusal speaks of.
    var lastNamedReceipt: Int64 = 0
    /// The program in the header is another, the tenant is, or the schema is a later one: nothing is taken from it.
    var isForeign = false

    /// Ranges kept in memory: more holes than a spool of ours ever has.
    private static let maximumRanges = 1 << 20
    /// A point count no spool reaches: more is a damaged number.
    static let maximumPosition: Int64 = 1 << 53
    /// An id no table reaches: what comes behind it must be able to go on.
    static let maximumID: Int64 = 1 << 53

    /// - Parameters:
    ///   - tenant: whose spool it should be.
    ///   - reservedBefore: no sequence at or beyond it was ever given.
    /// - Throws: `.closing` when the node closes meanwhile.
    init(
        _ pages: DatabasePages, tenant: String, reservedBefore: Int64, stop: StopFlag
    ) throws(SpoolError) {
        guard !SalvageSurvey.isAnothers(pages) else {
            isForeign = true
            return
        }
        var scan = SalvageScan(pages, .heads)
        while !scan.isAtEnd {
            try stop.check()
            for row in scan.next() {
                switch row.table {
                case .spool: takeIdentity(row)
                case .backends: takeBackend(row)
                case .ranges: takeRange(row)
                case .batches: takeBatch(row, reservedBefore)
                case .incarnations: takeIncarnation(row)
                default:
                    if row.table == .refusals { takeRefusal(row) }
                    takeCopied(row, page: scan.page - 1)
                }
            }
        }
        if let identity, identity.tenant != tenant { isForeign = true }
    }

    /// A header that can be read and says that the file is not ours, or of a later version than we know.
    private static func isAnothers(_ pages: DatabasePages) -> Bool {
        var page: [UInt8] = []
        guard pages.read(1, into: &page), page.starts(with: "SQLite format 3\0".utf8) else { return false }
        let version = Int64(RecordCells.bigEndian(page, 60))
        let application = Int64(RecordCells.bigEndian(page, 68))
        if application == 0, version == 0 { return false }
        // One of both may be damaged: a file of ours has tables of ours in it either way.
        return application != Connection.applicationID && !(1...Schema.current).contains(version)
            || application == Connection.applicationID && version > Schema.current && version < 64
    }

    private mutating func takeIdentity(_ row: SalvagedRow) {
        func number(_ index: Int) -> Int64 { row.integer(index) ?? 0 }
        guard row.rowID == 1, row.blob(2).count == 16 else { return }
        let found = Identity(
            tenant: row.text(1), uuid: row.blob(2), createdWall: number(3), end: (number(4), number(5)),
            acceptedRequests: max(0, number(6)), refusedPoints: max(0, number(7)), droppedPoints: max(0, number(8)),
            version: number(9),
            clock: SpoolClock(at: number(10), boot: number(11), bootID: row.text(12), wall: number(13)))
        if found.version >= identity?.version ?? .min { identity = found }
    }

    private mutating func takeBackend(_ row: SalvagedRow) {
        guard let id = row.rowID, id > 0, !backends.contains(where: { $0.id == id }) else { return }
        backends.append(BackendState(id: id, salvaged: row))
    }

    private mutating func takeIncarnation(_ row: SalvagedRow) {
        guard let id = row.rowID, id > 0, id < 1 << 32, row.blob(1).count == 16, incarnations.count < 1000,
            ["created", "salvaged", "restored", "copied"].contains(row.text(2)),
            !incarnations.contains(where: { $0.id == id || $0.uuid == row.blob(1) })
        else { return }
        incarnations.append(
            SalvagedIncarnation(
                id: id, uuid: row.blob(1), reason: row.text(2), firstSequence: row.integer(3) ?? 1,
                createdWall: row.integer(4) ?? 0))
    }

    private mutating func takeCopied(_ row: SalvagedRow, page: UInt32) {
        guard SalvageTable.copied.contains(row.table), let id = row.rowID, id <= SalvageSurvey.maximumID,
            id > lastCopied[row.table]?.id ?? 0
        else { return }
        lastCopied[row.table] = (id, page)
    }

    private mutating func takeRefusal(_ row: SalvagedRow) {
        guard let receipt = row.integer(1), receipt <= SalvageSurvey.maximumID else { return }
        lastNamedReceipt = max(lastNamedReceipt, receipt)
    }

    private mutating func takeRange(_ row: SalvagedRow) {
        let numbers = (0..<9).compactMap { row.integer($0) }
        guard numbers.count == 9, ranges.count < SalvageSurvey.maximumRanges, numbers[1] == 0,
            numbers.allSatisfy({ $0 >= 0 && $0 <= SalvageSurvey.maximumPosition }), numbers[5] < numbers[8]
        else { return }
        ranges.append(
            Range(
                backendID: numbers[0],
                range: OwedRange(
                    lane: Lane(rawValue: Int(numbers[4])) ?? .backlog,
                    start: Cut(Place(numbers[2], numbers[3]), numbers[5]),
                    end: Cut(Place(numbers[6], numbers[7]), numbers[8]))))
    }

    private mutating func takeBatch(_ row: SalvagedRow, _ reservedBefore: Int64) {
        guard let sequence = row.rowID, sequence >= 1, sequence < reservedBefore, let position = row.integer(2),
            let points = row.integer(3), (0...SalvageSurvey.maximumPosition).contains(position),
            (0...Int64(Block.maximumPoints)).contains(points)
        else { return }
        if sequence < oldest?.sequence ?? .max {
            oldest = Batch(sequence: sequence, position: position, points: points)
        }
        // A merged row goes on to a later sequence.
        let last = min(max(sequence, row.integer(1) ?? sequence), reservedBefore - 1)
        if last > newest?.sequence ?? .min { newest = Batch(sequence: last, position: position, points: points) }
    }
}

extension BackendState {
    /// A row of `backends` as it was found: its numbers may be nonsense.
    fileprivate init(id: Int64, salvaged row: SalvagedRow) {
        self.init(id: id, name: row.text(1), type: row.text(2), firstSequence: max(1, row.integer(3) ?? 1))
        func number(_ index: Int) -> Int64 { row.integer(index) ?? 0 }
        detachedPosition = row.integer(6)
        if let sequence = row.integer(7), let ordinal = row.integer(8), let position = row.integer(9), ordinal >= 0,
            position >= 0
        {
            tail = Cut(Place(sequence, ordinal), position)
        }
        deliveredPoints = number(10)
        assumedPoints = number(11)
        deadPoints = number(12)
        lostPoints = number(13)
        excludedPoints = number(14)
        sentBefore = number(15)
        unknownBefore = number(16)
        limits = row.columns.columns[18].kind == .text ? row.text(18) : nil
    }
}
