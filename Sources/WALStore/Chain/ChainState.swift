/// What the chain says of a spool as a whole: of each table how many rows it has and the sum of what they come to, and how
/// far the links go. It stands in the row of `spool`, which every transaction writes, and is of that transaction.
///
/// A row is in the sum of its table when it was written in this life of the chain, or has an id beyond the table's `floor`:
/// what was there before a life began is not looked through then.
struct ChainState: Sendable, Hashable {
    struct Table: Sendable, Hashable {
        /// The highest id when the life began.
        var floor: Int64 = 0
        var rows: Int64 = 0
        var sum = ChainDigest.zero
    }

    /// What has become of rows since the last link.
    struct Work: Sendable, Hashable {
        /// Positions whose rows were deleted and put into no other row; together, as they went.
        var pruned: Range<Int64>?
        var prunedRows: Int64 = 0
        /// Rows of `batches` that were merged, and into how many.
        var repackedRows: Int64 = 0
        var mergedRows: Int64 = 0
        /// Deleted of the other tables.
        var removedRows: Int64 = 0
        /// Rows that were not as the node had written them when it changed or deleted them.
        var alteredRows: Int64 = 0
        /// All rows that were written or deleted.
        var changes: Int64 = 0
    }

    /// Drawn anew whenever a chain begins, or begins again.
    var life: UInt32
    /// Of the key that wrote it.
    var epoch: UInt32
    /// `ChainKey.number`, of all its epochs.
    let key: UInt64
    /// The spool's, and the wall clock, of the transaction.
    var version: Int64 = 0
    var wall: Int64 = 0
    /// Links, and the head of the last one.
    var length: Int64 = 0
    var head = ChainDigest.zero
    /// When that was made, spool clock.
    var linkedAt: Int64 = 0
    var work = Work()
    /// In the order of `ChainTable`.
    var tables = [Table](repeating: Table(), count: ChainTable.allCases.count)

    subscript(_ table: ChainTable) -> Table {
        get { tables[table.index] }
        set { tables[table.index] = newValue }
    }

    init(life: UInt32, _ keys: ChainKeys) {
        self.init(life: life, epoch: keys.epoch, key: keys.number)
    }

    private init(life: UInt32, epoch: UInt32, key: UInt64) {
        self.life = life
        self.epoch = epoch
        self.key = key
    }

    /// Whether a row is in the sum of its table.
    func counts(_ table: ChainTable, id: Int64, tag: ChainTag?) -> Bool {
        tag?.life == life || id > self[table].floor
    }

    /// One code for the rows of all tables, of which a link has it.
    func rowsDigest(_ keys: ChainKeys) -> ChainDigest {
        var input = keys.state.begin()
        input.add(UInt8(ascii: "r"))
        input.add(life)
        for table in tables {
            input.add(table.floor)
            input.add(table.rows)
            input.add(table.sum)
        }
        return input.end()
    }
}

/// The state as bytes: numbers in order, big-endian, then the sums, hidden, then the code over all of it and over the other
/// columns of the row. The code is what the sums are hidden with, so that nothing is hidden twice with the same bytes
/// (<https://www.rfc-editor.org/rfc/rfc5297>): who can see a sum before and after a row could look for rows that cancel out.
extension ChainState {
    private static let format: UInt8 = 1
    private static let keyOffset = 1 + 4 + 4
    private static let versionOffset = keyOffset + 8
    static let encodedBytes =
        versionOffset + 8 * 3 + ChainDigest.bytes + 8 * 9 + ChainTable.allCases.count * (16 + ChainDigest.bytes)
        + ChainDigest.bytes

    private var numbers: [Int64] {
        [
            linkedAt, work.pruned?.lowerBound ?? -1, work.pruned?.upperBound ?? -1, work.prunedRows,
            work.repackedRows, work.mergedRows, work.removedRows, work.alteredRows, work.changes,
        ]
    }

    private var plain: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(ChainState.encodedBytes)
        func put(_ number: some FixedWidthInteger) {
            withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
        }
        put(ChainState.format)
        put(life)
        put(epoch)
        put(key)
        put(version)
        put(wall)
        put(length)
        head.withBytes { bytes.append(contentsOf: $0) }
        for number in numbers { put(number) }
        for table in tables {
            put(table.floor)
            put(table.rows)
        }
        return bytes
    }

    /// - Parameter row: adds the other columns of the row.
    func encoded(_ keys: ChainKeys, row: (inout ChainMACInput) -> Void) -> [UInt8] {
        var bytes = plain
        let code = code(keys, plain: bytes, row)
        for (index, table) in tables.enumerated() {
            (table.sum ^ ChainState.mask(keys, code, index)).withBytes { bytes.append(contentsOf: $0) }
        }
        code.withBytes { bytes.append(contentsOf: $0) }
        return bytes
    }

    private func code(_ keys: ChainKeys, plain: [UInt8], _ row: (inout ChainMACInput) -> Void) -> ChainDigest {
        var input = keys.state.begin()
        input.add(UInt8(ascii: "s"))
        plain.withUnsafeBytes { input.add($0) }
        for table in tables { input.add(table.sum) }
        row(&input)
        return input.end()
    }

    private static func mask(_ keys: ChainKeys, _ code: ChainDigest, _ index: Int) -> ChainDigest {
        var input = keys.mask.begin()
        input.add(code)
        input.add(UInt8(truncatingIfNeeded: index))
        return input.end()
    }

    /// What a state says of itself; nothing vouches for it.
    struct Claim {
        /// Of the key.
        var key: UInt64
        /// Of the transaction.
        var version: Int64
        var wall: Int64
    }

    /// nil for what no state is.
    static func claim(of bytes: [UInt8]) -> Claim? {
        guard bytes.count == encodedBytes, bytes[0] == format else { return nil }
        func number<Number: FixedWidthInteger>(_ offset: Int) -> Number {
            bytes.withUnsafeBytes { Number(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self)) }
        }
        return Claim(key: number(keyOffset), version: number(versionOffset), wall: number(versionOffset + 8))
    }

    /// - Returns: nil for what was not written with these keys and this row.
    init?(_ bytes: [UInt8], _ keys: ChainKeys, row: (inout ChainMACInput) -> Void) {
        guard bytes.count == ChainState.encodedBytes, bytes[0] == ChainState.format else { return nil }
        var at = 1
        func take<Number: FixedWidthInteger>(_: Number.Type) -> Number {
            defer { at += MemoryLayout<Number>.size }
            return bytes.withUnsafeBytes {
                Number(bigEndian: $0.loadUnaligned(fromByteOffset: at, as: Number.self))
            }
        }
        func takeDigest() -> ChainDigest {
            defer { at += ChainDigest.bytes }
            return bytes.withUnsafeBytes {
                ChainDigest(UnsafeRawBufferPointer(rebasing: $0[at..<at + ChainDigest.bytes]))
            }
        }
        self.init(life: take(UInt32.self), epoch: take(UInt32.self), key: take(UInt64.self))
        (version, wall, length) = (take(Int64.self), take(Int64.self), take(Int64.self))
        head = takeDigest()
        linkedAt = take(Int64.self)
        let (first, end) = (take(Int64.self), take(Int64.self))
        if first >= 0, first <= end { work.pruned = first..<end }
        (work.prunedRows, work.repackedRows) = (take(Int64.self), take(Int64.self))
        (work.mergedRows, work.removedRows) = (take(Int64.self), take(Int64.self))
        (work.alteredRows, work.changes) = (take(Int64.self), take(Int64.self))
        for index in tables.indices { (tables[index].floor, tables[index].rows) = (take(Int64.self), take(Int64.self)) }
        let plain = at
        at += tables.count * ChainDigest.bytes
        let code = takeDigest()
        at = plain
        for index in tables.indices { tables[index].sum = takeDigest() ^ ChainState.mask(keys, code, index) }
        guard self.code(keys, plain: Array(bytes[..<plain]), row) == code else { return nil }
    }
}
