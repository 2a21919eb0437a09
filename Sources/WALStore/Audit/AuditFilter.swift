import Metrics

/// Which points a question can be about: what its WHERE says of columns that rows are found by.
///
/// It lets through all that the question asks for, and mostly little else: SQLite looks at each point once more.
struct AuditFilter: Sendable {
    /// Inclusive bounds.
    struct Bounds: Sendable, Hashable {
        var lower = Int64.min
        var upper = Int64.max

        var isOpen: Bool { lower == .min && upper == .max }
        var isEmpty: Bool { lower > upper }
        @inline(__always) func contains(_ value: Int64) -> Bool { lower <= value && value <= upper }
        mutating func narrow(_ other: Bounds) {
            lower = max(lower, other.lower)
            upper = min(upper, other.upper)
        }
    }

    var sequences = Bounds()
    var times = Bounds()
    var positions = Bounds()
    /// Of the rows alone: their earliest and their latest time.
    var firstTimes = Bounds()
    var lastTimes = Bounds()
    /// Names as they are stored; nil: all.
    var names: Set<[UInt8]>?
    var selectors: [SeriesSelector] = [] {
        didSet { needles = LabelNeedles(selectors) }
    }
    /// Of the selectors.
    private(set) var needles = LabelNeedles([])
    /// Nothing can be equal to what was asked for.
    var isImpossible = false

    var asksSeries: Bool { names != nil || !selectors.isEmpty }
    var isEmpty: Bool {
        isImpossible || sequences.isEmpty || times.isEmpty || positions.isEmpty || firstTimes.isEmpty
            || lastTimes.isEmpty
    }

    /// Whether series of a name can be asked for.
    func admits(name: UnsafeRawBufferPointer) -> Bool { names.map { $0.contains(Array(name)) } ?? true }

    /// Whether a series of the batch can be one that the selectors ask for.
    func admits(_ batch: Batch, series id: UInt32) -> Bool { selectors.allSatisfy { $0.matches(batch, series: id) } }
}
