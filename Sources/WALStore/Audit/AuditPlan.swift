import CSQLite

/// A condition that a table can use to find rows, as it is handed from the planning of a question to its start.
enum AuditTerm: UInt8 {
    case sequence = 0x73  // s
    case time = 0x74  // t
    case firstTime = 0x66  // f
    case lastTime = 0x6c  // l
    case position = 0x70  // p
    case name = 0x6e  // n
    /// A list of names, taken at once.
    case names = 0x4e  // N
    case selector = 0x6d  // m

    var isText: Bool { self == .name || self == .names || self == .selector }
}

enum AuditOperator: UInt8 {
    case equal = 0x3d  // =
    case less = 0x3c  // <
    case greater = 0x3e  // >
    case atMost = 0x6c  // l
    case atLeast = 0x67  // g

    init?(_ code: UInt8) {
        switch Int32(code) {
        case SQLITE_INDEX_CONSTRAINT_EQ: self = .equal
        case SQLITE_INDEX_CONSTRAINT_LT: self = .less
        case SQLITE_INDEX_CONSTRAINT_GT: self = .greater
        case SQLITE_INDEX_CONSTRAINT_LE: self = .atMost
        case SQLITE_INDEX_CONSTRAINT_GE: self = .atLeast
        default: return nil
        }
    }
}

/// How a table is gone through, in SQLite's `idxNum`.
struct AuditPlan {
    /// A bit for each column that the question looks at.
    var columns: UInt32 = 0
    var isReversed = false
    /// Nothing but names are asked for, those that are alike beside each other: they are counted, and given in order.
    var isByName = false
    /// One of each name is enough.
    var isDistinct = false

    private static let columnBits: Int32 = 0xff_ffff
    private static let reversed: Int32 = 1 << 24
    private static let byName: Int32 = 1 << 25
    private static let distinct: Int32 = 1 << 26

    init() {}

    init(number: Int32) {
        columns = UInt32(number & AuditPlan.columnBits)
        isReversed = number & AuditPlan.reversed != 0
        isByName = number & AuditPlan.byName != 0
        isDistinct = number & AuditPlan.distinct != 0
    }

    var number: Int32 {
        Int32(columns) & AuditPlan.columnBits | (isReversed ? AuditPlan.reversed : 0)
            | (isByName ? AuditPlan.byName : 0) | (isDistinct ? AuditPlan.distinct : 0)
    }

    func asks(_ column: Int32) -> Bool { columns >> UInt32(column) & 1 == 1 }
}

/// `xBestIndex`: what of a question's conditions and order a table takes upon itself.
/// <https://sqlite.org/vtab.html#the_xbestindex_method>
struct AuditPlanner {
    let table: AuditTable
    let info: UnsafeMutablePointer<sqlite3_index_info>

    private var terms: [UInt8] = []
    private var rows = 1e8
    private var work = 1e6

    init(_ table: AuditTable, _ info: UnsafeMutablePointer<sqlite3_index_info>) {
        self.table = table
        self.info = info
    }

    /// - Returns: SQLite's code; `SQLITE_CONSTRAINT` when a selector is not known yet, so that the plan is none.
    mutating func choose() -> Int32 {
        for index in 0..<Int(info.pointee.nConstraint) {
            let code = take(index)
            if code != SQLITE_OK { return code }
        }
        var plan = AuditPlan()
        plan.columns = UInt32(truncatingIfNeeded: info.pointee.colUsed & 0xff_ffff)
        order(&plan)
        info.pointee.idxNum = plan.number
        info.pointee.estimatedRows = Int64(max(1, rows))
        // A row of points costs little beside the block that it is in.
        info.pointee.estimatedCost = work + rows / 8
        return setTerms()
    }

    private mutating func take(_ index: Int) -> Int32 {
        guard let constraints = info.pointee.aConstraint, let usage = info.pointee.aConstraintUsage else {
            return SQLITE_OK
        }
        let constraint = constraints[index]
        guard var term = table.term(of: constraint.iColumn) else { return SQLITE_OK }
        guard constraint.usable != 0 else { return term == .selector ? SQLITE_CONSTRAINT : SQLITE_OK }
        guard let comparison = AuditOperator(constraint.op), !term.isText || comparison == .equal else {
            return SQLITE_OK
        }
        if term == .name {
            guard isBinary(index) else { return SQLITE_OK }
            if AuditPlanner.knowsLists, sqlite3_vtab_in(info, Int32(index), 1) != 0 { term = .names }
        }
        usage[index].argvIndex = Int32(terms.count / 2 + 1)
        // Only the table knows what a selector is.
        usage[index].omit = term == .selector ? 1 : 0
        terms += [term.rawValue, comparison.rawValue]
        let isEqual = comparison == .equal
        switch term {
        case .sequence, .position: scale(isEqual ? 1e-5 : 0.2, isEqual ? 1e-5 : 0.2)
        case .time, .firstTime, .lastTime: scale(isEqual ? 1e-4 : 0.2, isEqual ? 1e-3 : 0.2)
        case .name, .names: scale(0.01, 0.5)
        case .selector: scale(0.01, 0.5)
        }
        return SQLITE_OK
    }

    private mutating func scale(_ rowShare: Double, _ workShare: Double) {
        rows *= rowShare
        work *= workShare
    }

    /// Bytes are what a name is compared by.
    private func isBinary(_ index: Int) -> Bool {
        guard let name = sqlite3_vtab_collation(info, Int32(index)) else { return false }
        return String(cString: name) == "BINARY"
    }

    /// `sqlite3_vtab_in` and `sqlite3_vtab_distinct` came with 3.38.
    static let knowsLists = sqlite3_libversion_number() >= 3_038_000

    private func order(_ plan: inout AuditPlan) {
        let count = Int(info.pointee.nOrderBy)
        guard count > 0, let wanted = info.pointee.aOrderBy else { return }
        let orders = (0..<count).map { wanted[$0] }
        let isDescending = orders[0].desc != 0
        guard orders.allSatisfy({ ($0.desc != 0) == isDescending }) else { return }
        if table.isOrdered(by: orders.map(\.iColumn)) {
            plan.isReversed = isDescending
            info.pointee.orderByConsumed = 1
            return
        }
        guard count == 1, let name = table.nameColumn, orders[0].iColumn == name, table.onlyNames(info.pointee.colUsed),
            terms.allSatisfy({ $0 != AuditTerm.position.rawValue })
        else { return }
        plan.isByName = true
        plan.isReversed = isDescending
        plan.isDistinct = AuditPlanner.knowsLists && sqlite3_vtab_distinct(info) >= 2
        info.pointee.orderByConsumed = 1
    }

    private func setTerms() -> Int32 {
        guard let text = SQLiteText.copy(String(decoding: terms, as: UTF8.self)) else { return SQLITE_NOMEM }
        info.pointee.idxStr = text
        info.pointee.needToFreeIdxStr = 1
        return SQLITE_OK
    }
}
