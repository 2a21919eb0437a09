/// Columns of `points`, in order.
enum PointColumn: Int32, CaseIterable {
    case sequence, ordinal, at, time, name, field, labels, value, kind
    case match, position, bits, stale, startTime, unit, type, temporality, monotonic, resource, scope, keptBackBy
    case rulesAsked

    var declaration: String {
        switch self {
        case .sequence: "sequence INTEGER"
        case .ordinal: "ordinal INTEGER"
        case .at: "at TEXT"
        case .time: "time INTEGER"
        case .name: "name TEXT"
        case .field: "field TEXT"
        case .labels: "labels TEXT"
        case .value: "value"
        case .kind: "kind TEXT"
        // The first hidden column is the argument of points('…').
        case .match: "match TEXT HIDDEN"
        case .position: "position INTEGER HIDDEN"
        case .bits: "bits INTEGER HIDDEN"
        case .stale: "stale INTEGER HIDDEN"
        case .startTime: "start_time INTEGER HIDDEN"
        case .unit: "unit TEXT HIDDEN"
        case .type: "type TEXT HIDDEN"
        case .temporality: "temporality TEXT HIDDEN"
        case .monotonic: "monotonic INTEGER HIDDEN"
        case .resource: "resource TEXT HIDDEN"
        case .scope: "scope TEXT HIDDEN"
        case .keptBackBy: "kept_back_by TEXT HIDDEN"
        case .rulesAsked: "rules_asked TEXT HIDDEN"
        }
    }

    /// What of a block it takes to show it.
    var parts: AuditBlock.Parts {
        switch self {
        case .sequence, .ordinal: .origins
        case .match, .position, .rulesAsked: []
        case .at, .time: .times
        case .value, .kind, .bits, .stale, .startTime: .values
        default: .series
        }
    }

    var identity: AuditIdentity? {
        switch self {
        case .field: .field
        case .unit: .unit
        case .type: .type
        case .temporality: .temporality
        case .monotonic: .monotonic
        case .resource: .resource
        case .scope: .scope
        default: nil
        }
    }

    fileprivate var bit: UInt64 { 1 << UInt64(rawValue) }
}

extension AuditTable {
    /// A row each point that is stored, in the order in which they were accepted.
    static let points = AuditTable(
        name: "points",
        declaration: "CREATE TABLE points (\(PointColumn.allCases.map(\.declaration).joined(separator: ", ")))",
        terms: [
            -1: .position, PointColumn.position.rawValue: .position, PointColumn.sequence.rawValue: .sequence,
            PointColumn.time.rawValue: .time, PointColumn.name.rawValue: .name, PointColumn.match.rawValue: .selector,
        ],
        orders: [
            [-1], [PointColumn.position.rawValue], [PointColumn.sequence.rawValue],
            [PointColumn.sequence.rawValue, PointColumn.ordinal.rawValue],
        ],
        nameColumn: PointColumn.name.rawValue, byNameColumns: PointColumn.name.bit | PointColumn.match.bit,
        makeCursor: { PointsCursor($0) })
}
