import WALStore

/// Writes an answer as it comes: memory is that of some rows, however many there are.
struct SqlPrinter: AuditAnswer {
    private let form: SqlForm
    /// A first column for all rows: whose answer it is, where several tenants are asked.
    private let tenant: String?
    private var sink: SqlSink
    private var line = SqlLine([], tenant: nil)
    private var cells: [[String]] = []
    private var cellBytes = 0
    /// By column: nothing but numbers so far.
    private var isNumber: [Bool] = []
    private var table: TextTable?
    private var widths: [Int] = []
    private(set) var rows: Int64 = 0

    /// Rows of a table that are looked at together: columns are as wide as they need, and wider later on.
    private static let rowsAtOnce = 1000
    private static let bytesAtOnce = 4 << 20

    init(_ form: SqlForm, tenant: String?, to sink: SqlSink = SqlSink()) {
        self.form = form
        self.tenant = tenant
        self.sink = sink
    }

    mutating func begin(columns: [String]) {
        line = SqlLine(columns, tenant: tenant)
        (table, widths, cells, cellBytes) = (nil, [], [], 0)
        isNumber = line.columns.map { _ in true }
        rows = 0
        let line = line
        if form == .csv { sink.gather { line.appendHeader(to: &$0) } }
    }

    mutating func add(_ row: AuditAnswerRow, nanosecondsLeft: () -> Int64) throws(AuditError) {
        rows += 1
        let line = line
        switch form {
        case .table:
            addCells(row)
            guard cells.count >= SqlPrinter.rowsAtOnce || cellBytes >= SqlPrinter.bytesAtOnce else { return }
            let text = takeCells()
            try sink.add({ $0.append(contentsOf: text.utf8) }, nanosecondsLeft: nanosecondsLeft)
        case .csv: try sink.add({ line.append(csv: row, to: &$0) }, nanosecondsLeft: nanosecondsLeft)
        case .ndjson: try sink.add({ line.append(json: row, to: &$0) }, nanosecondsLeft: nanosecondsLeft)
        }
    }

    mutating func end() {
        guard form == .table else { return }
        let text = takeCells()
        sink.gather { $0.append(contentsOf: text.utf8) }
    }

    /// Writes what is left, to a reader who may take his time: the spool is closed by now.
    mutating func finish() throws(AuditError) { try sink.flush { .max } }

    // MARK: Tables

    private mutating func addCells(_ row: AuditAnswerRow) {
        var cells: [String] = []
        for index in line.columns.indices {
            var isText = false
            line.withValue(index, of: row) { value in
                cells.append(SqlValue.cell(value))
                switch value {
                case .text, .blob: isText = true
                default: break
                }
            }
            if isText { isNumber[index] = false }
        }
        cellBytes += cells.reduce(0) { $0 + $1.utf8.count }
        self.cells.append(cells)
    }

    private mutating func takeCells() -> String {
        if table == nil {
            table = TextTable(
                line.columns.enumerated().map { ($1, rows > 0 && isNumber[$0] ? .right : .left) })
        } else if cells.isEmpty {
            return ""
        }
        for cells in cells { table?.add(cells) }
        (cells, cellBytes) = ([], 0)
        return table?.takeText(&widths) ?? ""
    }
}
