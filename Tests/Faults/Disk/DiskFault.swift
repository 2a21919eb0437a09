/// A way to fail, and when.
struct DiskFault: Sendable {
    enum Kind: String, Sendable, CaseIterable {
        /// EIO; nothing is changed.
        case inputOutput
        /// ENOSPC of whatever would take space.
        case full
        /// A part is written, then ENOSPC.
        case shortWrite
        /// Less is read than the file has, without an error.
        case shortRead
        /// A failed fsync as Linux has it: the pages count as clean from then on, some of them are on the disk, and the
        /// next fsync succeeds without writing them. <https://lwn.net/Articles/752063/>
        case syncDropsPages
        /// A failed fsync after which the pages are still dirty.
        case syncKeepsPages

        func applies(to call: DiskCall.Kind, isGrowing: Bool) -> Bool {
            switch self {
            case .inputOutput: call != .sync
            case .full: isGrowing
            case .shortWrite: call == .write && isGrowing
            case .shortRead: call == .read
            case .syncDropsPages, .syncKeepsPages: call == .sync
            }
        }
    }

    var kind: Kind
    /// The first call it meets, of those it applies to, counted from 1.
    var first: Int
    /// How many it meets from there on.
    var count: Int
    /// Only calls on paths that end so; empty: all.
    var suffix: String
    /// Only these calls; nil: all that the kind applies to.
    var calls: Set<DiskCall.Kind>?

    private var seen = 0

    init(
        _ kind: Kind, atCall first: Int, count: Int = 1, suffix: String = "", calls: Set<DiskCall.Kind>? = nil
    ) {
        self.kind = kind
        self.first = first
        self.count = count
        self.suffix = suffix
        self.calls = calls
    }

    var hasMet: Bool { seen >= first }

    /// Whether the call fails; counts it.
    mutating func meets(_ call: DiskCall.Kind, _ path: String, isGrowing: Bool) -> Bool {
        guard kind.applies(to: call, isGrowing: isGrowing), path.hasSuffix(suffix), calls?.contains(call) ?? true else {
            return false
        }
        seen += 1
        return seen >= first && seen - first < count
    }
}

/// A promise that the disk breaks without saying so: no store can stand it, and the suites must find it out.
enum DiskLie: Sendable {
    /// A sync returns and keeps nothing apart: a power cut still takes it.
    case syncs
    /// It says that a write never touches the bytes beside it in the sector (powersafe overwrite), and then does.
    case powersafeOverwrite
}
