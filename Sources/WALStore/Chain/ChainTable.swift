/// The tables whose rows are in the chain. The number is part of each code.
enum ChainTable: UInt8, CaseIterable, Sendable {
    case batches = 1
    case receipts, deliveries, deadLetters, losses, events, bases, baseCopies
    /// Few rows, some of which many transactions change: they have no tags, and are in a sum only.
    case backends, incarnations

    var name: StaticString {
        switch self {
        case .batches: "batches"
        case .receipts: "receipts"
        case .deliveries: "deliveries"
        case .deadLetters: "dead_letters"
        case .losses: "losses"
        case .events: "events"
        case .bases: "bases"
        case .baseCopies: "base_copies"
        case .backends: "backends"
        case .incarnations: "incarnations"
        }
    }

    var isTagged: Bool { self != .backends && self != .incarnations }
    /// In tags: a base and its copy are one row, stored twice, and a salvage makes either of the other.
    var tagNumber: UInt8 { self == .baseCopies ? ChainTable.bases.rawValue : rawValue }
    /// In `ChainState.tables`.
    var index: Int { Int(rawValue) - 1 }

    /// All but the tag, in the order of the schema; the first is the row's id. A code is over their values in this order.
    var columns: [String] { ChainTable.allColumns[index] }

    private static let allColumns = [
        "sequence last_sequence position points received_at received_wall first_time last_time key_id block",
        """
        id sequence first_ordinal points request_id request_part trace_parent source peer body_bytes refused_points \
        exemplars received_at received_wall
        """,
        """
        id backend_id job_id first_sequence first_ordinal end_sequence end_ordinal points outcome reason \
        first_attempt_wall settled_at settled_wall attempts status
        """,
        """
        id backend_id origin_sequence origin_ordinal request_id reason status excerpt attempts first_attempt_wall \
        buried_at buried_wall key_id block
        """,
        """
        id backend_id reason first_sequence first_ordinal end_sequence end_ordinal first_time last_time points lost_at \
        lost_wall detail
        """,
        "id kind at wall detail", "id block", "id block",
        """
        id name type first_sequence created_wall detached_wall detached_position tail_sequence tail_ordinal \
        tail_position delivered_points assumed_points dead_points lost_points excluded_points sent_before \
        unknown_before retry limits
        """,
        "id uuid reason first_sequence created_wall",
    ].map { $0.split(separator: " ").map { String($0) } }

    /// What a row has where an `INSERT` says nothing; elsewhere NULL.
    private static let defaults = [
        "key_id": "0", "job_id": "0", "request_part": "0", "refused_points": "0", "exemplars": "0", "detail": "''",
    ]
}

/// Statements that write rows, with or without their tags.
extension ChainTable {
    /// - Parameters:
    ///   - columns: with the values in the same order: each a parameter or a number.
    ///   - verb: `INSERT`, or with what to do about a row that is there.
    ///   - isChained: the connection has the functions of `ChainKeeper`.
    func insertion(
        _ columns: [String], _ values: [String], verb: String = "INSERT", isChained: Bool
    ) -> String {
        precondition(columns.count == values.count, "each column has its value")
        var (columns, values) = (columns, values)
        if isChained {
            if columns.first != self.columns[0] {
                // What SQLite would give it: the tag needs to know.
                columns.insert(self.columns[0], at: 0)
                values.insert("(SELECT coalesce(max(\(self.columns[0])), 0) + 1 FROM \(name))", at: 0)
            }
            let given = Dictionary(uniqueKeysWithValues: zip(columns, values))
            let row = self.columns.map { given[$0] ?? ChainTable.defaults[$0] ?? "NULL" }
            columns.append("tag")
            values.append(tag(of: row))
        }
        return "\(verb) INTO \(name) (\(columns.joined(separator: ", "))) VALUES (\(values.joined(separator: ", ")))"
    }

    /// - Parameter changes: columns with what they become.
    func update(_ changes: [(column: String, value: String)], where rule: String, isChained: Bool) -> String {
        var changes = changes
        if isChained {
            let given = Dictionary(uniqueKeysWithValues: changes.map { ($0.column, "(\($0.value))") })
            changes.append((column: "tag", value: tag(of: columns.map { given[$0] ?? $0 })))
        }
        let list = changes.map { "\($0.column) = \($0.value)" }.joined(separator: ", ")
        return "UPDATE \(name) SET \(list) WHERE \(rule)"
    }

    /// - Parameter row: expressions, one a column.
    func tag(of row: [String]) -> String {
        "\(ChainKeeper.tagFunction)(\(rawValue), \(row.joined(separator: ", ")))"
    }
}
