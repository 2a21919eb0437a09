import Metrics

/// The tables of a spool, told apart by the types of their columns: a page says of which table its rows are nowhere else.
///
/// Each shape is that of `schema/`, a letter a column: `i` integer, `t` text, `b` blob, capitals where NULL
/// may stand, `r` the row id (stored as NULL).
enum SalvageTable: String, CaseIterable, Sendable {
    case spool, incarnations, batches, receipts, refusals, backends, ranges, deliveries
    case deadLetters = "dead_letters"
    case losses, chunks, events
    /// And `base_copies`.
    case bases
    case routes

    private var shape: String {
        switch self {
        case .spool: "rtbiiiiiiiiitii"
        case .incarnations: "rbtii"
        case .batches: "riiiiiiiib"
        case .receipts: "riiitiTttiiiii"
        case .refusals: "ritiIt"
        case .backends: "rttiiIIIIIiiiiiiiTT"
        // WITHOUT ROWID: the key's columns come first.
        case .ranges: "iiiiiiiii"
        case .deliveries: "riiiiiiitTiiiii"
        case .deadLetters: "riiittitiiiiib"
        case .losses: "rItIIIIIIIiit"
        case .chunks: "rittiti"
        case .events: "rtiit"
        case .bases: "rb"
        case .routes: "tti"
        }
    }

    /// Where a row's values are put back as they were; the others are read and made anew.
    static let copied: [SalvageTable] = [
        .receipts, .refusals, .deliveries, .deadLetters, .losses, .chunks, .events, .routes,
    ]

    /// The table whose rows have such columns; nil for rows of an index, and for what is no row at all.
    static func of(_ record: RecordColumns, hasRowID: Bool) -> SalvageTable? {
        allCases.first { $0.isShape(record, hasRowID) }
    }

    private func isShape(_ record: RecordColumns, _ hasRowID: Bool) -> Bool {
        let shape = Array(shape.utf8)
        guard shape.count == record.columns.count || isTagged(record, behind: shape.count),
            (shape[0] == UInt8(ascii: "r")) == hasRowID
        else { return false }
        for (letter, column) in zip(shape, record.columns) {
            let fits =
                switch (letter, column.kind) {
                case (UInt8(ascii: "r"), .null), (UInt8(ascii: "i"), .integer), (UInt8(ascii: "t"), .text),
                    (UInt8(ascii: "b"), .blob):
                    true
                case (UInt8(ascii: "I"), .integer), (UInt8(ascii: "I"), .null), (UInt8(ascii: "T"), .text),
                    (UInt8(ascii: "T"), .null):
                    true
                default: false
                }
            guard fits else { return false }
        }
        return true
    }

    /// Whether the rows have a blob more, or NULL, since version 6 of the schema: a tag, or the state of the chain. Older
    /// rows lack it.
    private var hasTag: Bool {
        switch self {
        case .spool, .batches, .receipts, .deliveries, .deadLetters, .losses, .events, .bases: true
        case .incarnations, .refusals, .backends, .ranges, .chunks, .routes: false
        }
    }

    private func isTagged(_ record: RecordColumns, behind count: Int) -> Bool {
        guard hasTag, record.columns.count == count + 1, let last = record.columns.last else { return false }
        return last.kind == .null || last.kind == .blob
    }

    /// Columns but the tag.
    var columnCount: Int { shape.utf8.count }
    /// Values that a row is put back with.
    fileprivate var valueCount: Int { columnCount + (hasTag ? 1 : 0) }

    var insertion: String {
        let marks = (1...valueCount).map { "?\($0)" }.joined(separator: ", ")
        return "INSERT OR IGNORE INTO \(rawValue) VALUES (\(marks))"
    }
}

/// A row found on a page.
struct SalvagedRow {
    var table: SalvageTable
    var rowID: Int64?
    var columns: RecordColumns
    /// The payload, or its beginning only.
    var payload: [UInt8]

    /// Whether it is put back as it was. Behind an id that no table reaches, none could be given.
    var isCopied: Bool {
        if table == .routes { return columns.columns[1].range.count <= RouteRules.maximumTextBytes }
        return SalvageTable.copied.contains(table) && (1...SalvageSurvey.maximumID).contains(rowID ?? 0)
    }

    /// Of a whole payload: whether an id that follows from the rest of the row does.
    var isConsistent: Bool { table != .routes || StoredRoute(text: text(1)).id == text(0) }

    func integer(_ index: Int) -> Int64? { index == 0 && rowID != nil ? rowID : columns.integer(index, payload) }
    func text(_ index: Int) -> String {
        if case .text(let text) = columns.value(index, payload) { text } else { "" }
    }
    func blob(_ index: Int) -> [UInt8] {
        if case .blob(let bytes) = columns.value(index, payload) { bytes } else { [] }
    }
    /// With the tag, where the table has one.
    var values: [SQLValue] {
        let found = columns.columns.indices.map {
            $0 == 0 && rowID != nil ? SQLValue(rowID) : columns.value($0, payload)
        }
        return found + [SQLValue](repeating: .null, count: max(0, table.valueCount - found.count))
    }

    /// None for a row that has none.
    var tagBytes: [UInt8] {
        columns.columns.count > table.columnCount
            && columns.columns[table.columnCount].range.upperBound <= payload.count
            ? blob(table.columnCount) : []
    }

    /// As a value; what no tag is, is left out: the table takes nothing else.
    var tag: SQLValue {
        let bytes = tagBytes
        return bytes.count == ChainTag.bytes ? .blob(bytes) : .null
    }
}
