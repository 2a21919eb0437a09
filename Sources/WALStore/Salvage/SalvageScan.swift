/// Walks the pages of a database that was set aside, one after the other, and hands out the rows they hold: no tree, no
/// header and no schema is needed for it.
struct SalvageScan {
    enum Depth {
        /// Rows as far as they lie on their own page; pages that the pointer map calls overflow pages are not even
        /// read, behind the first map page, where the ledger's tables have their roots.
        case heads
        /// Whole rows.
        case whole
    }

    let pages: DatabasePages
    let depth: Depth
    /// The next page to look at.
    private(set) var page: UInt32 = 1
    private var buffer: [UInt8] = []
    private var map: [UInt8] = []
    private var mapPage: UInt32 = 0
    private var chain: [UInt8] = []

    init(_ pages: DatabasePages, _ depth: Depth) {
        self.pages = pages
        self.depth = depth
    }

    var isAtEnd: Bool { page > pages.count }

    /// The rows of the next page that has any.
    ///
    /// - Parameter wanted: asked before the pages behind a row are read; a row it does not want comes without them.
    /// - Returns: no rows at the end, or after so many pages without one that the caller may want a breath.
    mutating func next(wanted: (SalvagedRow) -> Bool = { _ in true }) -> [SalvagedRow] {
        for _ in 0..<4096 where !isAtEnd {
            guard let number = pages.next(from: page) else {
                page = pages.count + 1
                break
            }
            page = number + 1
            let rows = rows(on: number, wanted: wanted)
            if !rows.isEmpty { return rows }
        }
        return []
    }

    /// The rows of one page.
    mutating func rows(on number: UInt32, wanted: (SalvagedRow) -> Bool) -> [SalvagedRow] {
        guard mayHoldRows(number), pages.read(number, into: &buffer) else { return [] }
        var rows: [SalvagedRow] = []
        for cell in RecordCells.of(buffer, number: number) {
            let local = Array(buffer[cell.local])
            guard let columns = RecordColumns(local, payloadBytes: cell.payloadBytes),
                let table = SalvageTable.of(columns, hasRowID: cell.rowID != nil)
            else { continue }
            var row = SalvagedRow(table: table, rowID: cell.rowID, columns: columns, payload: local)
            guard wanted(row) else { continue }
            if depth == .whole, cell.overflow != 0 {
                guard let payload = follow(cell, local) else { continue }
                row.payload = payload
            }
            rows.append(row)
        }
        return rows
    }

    private mutating func mayHoldRows(_ number: UInt32) -> Bool {
        if DatabasePages.isPointerMap(number) { return false }
        guard number > 2, let kind = kind(of: number) else { return true }
        // A page on the free list holds rows that were deleted.
        if kind == 2 { return false }
        return depth == .whole || number <= DatabasePages.mappedPages || (kind != 3 && kind != 4)
    }

    /// What the pointer map says: 1 root, 2 free, 3 and 4 overflow, 5 other b-tree page; nil when it says nonsense.
    private mutating func kind(of number: UInt32) -> UInt8? {
        let holder = DatabasePages.pointerMap(of: number)
        if holder != mapPage {
            mapPage = holder
            if !pages.read(holder, into: &map) { map = [] }
        }
        let at = Int(number - holder - 1) * 5
        guard at + 5 <= map.count, (1...5).contains(map[at]) else { return nil }
        // Roots and free pages have no page above them, and all others do: else the map is damaged, and must hide nothing.
        let parent = RecordCells.bigEndian(map, at + 1)
        return (map[at] <= 2) == (parent == 0) && parent <= pages.count ? map[at] : nil
    }

    /// The whole payload of a row that goes on in other pages; nil when the chain ends too early.
    private mutating func follow(_ cell: RecordCells.Cell, _ local: [UInt8]) -> [UInt8]? {
        var payload = local
        payload.reserveCapacity(cell.payloadBytes)
        var next = cell.overflow
        while payload.count < cell.payloadBytes {
            guard next > 1, pages.read(next, into: &chain) else { return nil }
            let count = min(cell.payloadBytes - payload.count, DatabasePages.pageBytes - 4)
            payload.append(contentsOf: chain[4..<4 + count])
            next = RecordCells.bigEndian(chain, 0)
        }
        return payload
    }
}
