/// The rows on one page of a b-tree, without asking any other page: what is left when the tree above it is broken.
/// <https://sqlite.org/fileformat2.html#b_tree_pages>
struct RecordCells {
    /// One row as it lies on its page.
    struct Cell {
        /// nil in an index, and so in a table WITHOUT ROWID.
        var rowID: Int64?
        var payloadBytes: Int
        /// Of the payload, what lies on this page.
        var local: Range<Int>
        /// The page where it goes on; 0 when all of it is here.
        var overflow: UInt32
    }

    private static let usable = DatabasePages.pageBytes

    /// - Parameter page: of `DatabasePages.pageBytes`.
    /// - Returns: the cells that lie inside the page; none for a page that holds no rows.
    static func of(_ page: [UInt8], number: UInt32) -> [Cell] {
        let start = number == 1 ? 100 : 0
        let kind = page[start]
        guard kind == 0x0d || kind == 0x0a || kind == 0x02 else { return [] }
        let headerBytes = kind == 0x02 ? 12 : 8
        let count = Int(page[start + 3]) << 8 | Int(page[start + 4])
        let pointers = start + headerBytes
        guard pointers + count * 2 <= usable else { return [] }
        var cells: [Cell] = []
        for index in 0..<count {
            let at = Int(page[pointers + index * 2]) << 8 | Int(page[pointers + index * 2 + 1])
            guard at >= pointers + count * 2, at < usable - 3 else { continue }
            if let cell = cell(page, at: kind == 0x02 ? at + 4 : at, isTable: kind == 0x0d) { cells.append(cell) }
        }
        return cells
    }

    private static func cell(_ page: [UInt8], at start: Int, isTable: Bool) -> Cell? {
        var at = start
        guard let size = varint(page, &at), size > 0, size <= 16 << 20 else { return nil }
        var rowID: Int64?
        if isTable {
            guard let id = varint(page, &at) else { return nil }
            rowID = id
        }
        let payload = Int(size)
        let most = isTable ? usable - 35 : (usable - 12) * 64 / 255 - 23
        var local = payload
        if payload > most {
            let least = (usable - 12) * 32 / 255 - 23
            let surplus = least + (payload - least) % (usable - 4)
            local = surplus <= most ? surplus : least
        }
        let end = at + local
        guard end + (local < payload ? 4 : 0) <= usable else { return nil }
        let overflow = local < payload ? bigEndian(page, end) : 0
        return Cell(rowID: rowID, payloadBytes: payload, local: at..<end, overflow: overflow)
    }

    /// <https://sqlite.org/fileformat2.html#varint>
    static func varint(_ bytes: [UInt8], _ at: inout Int) -> Int64? {
        var value: UInt64 = 0
        for index in 0..<9 {
            guard at < bytes.count else { return nil }
            let byte = bytes[at]
            at += 1
            if index == 8 { return Int64(bitPattern: value << 8 | UInt64(byte)) }
            value = value << 7 | UInt64(byte & 0x7f)
            if byte < 0x80 { return Int64(bitPattern: value) }
        }
        return nil
    }

    static func bigEndian(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8 | UInt32(bytes[at + 3])
    }
}

/// The columns of a row: types first, then values. <https://sqlite.org/fileformat2.html#record_format>
struct RecordColumns {
    enum Kind { case null, integer, text, blob }
    struct Column {
        var kind: Kind
        /// In the payload.
        var range: Range<Int>
        /// Of the constants 0 and 1, which take no bytes.
        var constant: Int64?
    }

    let columns: [Column]

    /// - Parameter bytes: the payload's beginning, which holds the types.
    /// - Returns: nil for what no table of ours has (a float, a header that does not add up).
    init?(_ bytes: [UInt8], payloadBytes: Int) {
        var at = 0
        guard let headerBytes = RecordCells.varint(bytes, &at), headerBytes > 0, headerBytes <= bytes.count else {
            return nil
        }
        let header = Int(headerBytes)
        var offset = header
        var columns: [Column] = []
        while at < header {
            guard let type = RecordCells.varint(bytes, &at), at <= header, type >= 0 else { return nil }
            let size: Int
            var column = Column(kind: .integer, range: offset..<offset, constant: nil)
            switch type {
            case 0: (column.kind, size) = (.null, 0)
            case 1...4: size = Int(type)
            case 5: size = 6
            case 6: size = 8
            case 8, 9:
                column.constant = type - 8
                size = 0
            case 12...(32 << 20):
                column.kind = type % 2 == 0 ? .blob : .text
                size = Int(type - 12) / 2
            default: return nil
            }
            guard offset + size <= payloadBytes else { return nil }
            column.range = offset..<offset + size
            offset += size
            columns.append(column)
        }
        guard offset == payloadBytes else { return nil }
        self.columns = columns
    }

    /// nil when it is NULL, or lies beyond `payload`.
    func integer(_ index: Int, _ payload: [UInt8]) -> Int64? {
        let column = columns[index]
        if let constant = column.constant { return constant }
        guard column.kind == .integer, column.range.upperBound <= payload.count, let first = column.range.first else {
            return nil
        }
        var value = Int64(Int8(bitPattern: payload[first]))
        for byte in payload[column.range].dropFirst() { value = value << 8 | Int64(byte) }
        return value
    }

    func value(_ index: Int, _ payload: [UInt8]) -> SQLValue {
        let column = columns[index]
        switch column.kind {
        case .null: return .null
        case .integer: return SQLValue(integer(index, payload))
        case .text: return .text(String(decoding: payload[column.range], as: UTF8.self))
        case .blob: return .blob(Array(payload[column.range]))
        }
    }
}
