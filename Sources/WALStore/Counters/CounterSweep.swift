/// A walk over the running totals of a spool, between two steps.
struct CounterSweep: Sendable {
    /// Spool clock, nanoseconds: what was settled before may be forgotten.
    var cutoff: Int64
    /// Backends whose totals may be.
    var forgetful: Set<Int64>
    var last: CounterStatements.Row?
    /// Rows that were met and stay.
    var kept: Int64 = 0
}
