/// Ages run on it: never goes back, and advances no faster than the machine's time since boot (rule 9).
struct SpoolClock: Sendable, Hashable {
    /// The last value, nanoseconds.
    var at: Int64
    /// What the clocks of the system showed then.
    var boot: Int64
    var bootID: String
    var wall: Int64

    /// A new spool's clock starts at the wall clock, so that its values can be read by people.
    init(startingWith time: TimeSource) {
        wall = time.wall()
        at = wall
        boot = time.boot()
        bootID = time.bootID()
    }

    init(at: Int64, boot: Int64, bootID: String, wall: Int64) {
        self.at = at
        self.boot = boot
        self.bootID = bootID
        self.wall = wall
    }

    /// Across a restart of the machine the boot clock says nothing: the wall clock does, at most this much. A machine
    /// that comes back with a wrong date must not age its backlog out; one that was off for long keeps it longer.
    static let restartAdvanceLimit: Int64 = 3600 * 1_000_000_000
    /// A wall clock further off than this from what the spool clock did has been set.
    static let stepLimit: Int64 = 300 * 1_000_000_000

    /// How far the wall clock stepped since somebody asked, nanoseconds; nil when it did not.
    private var step: Int64?

    mutating func takeStep() -> Int64? {
        defer { step = nil }
        return step
    }

    /// The time now.
    mutating func read(_ time: TimeSource) -> Int64 {
        let (bootNow, bootIDNow, wallNow) = (time.boot(), time.bootID(), time.wall())
        // Wrapping: what was stored is input, and any of these times may be nonsense.
        let wallPassed = wallNow &- wall
        let passed = max(0, bootIDNow == bootID ? bootNow &- boot : min(wallPassed, SpoolClock.restartAdvanceLimit))
        let (next, isOver) = at.addingReportingOverflow(passed)
        at = isOver ? .max : next
        let drift = wallPassed &- passed
        if drift.magnitude > SpoolClock.stepLimit.magnitude { step = drift }
        (boot, bootID, wall) = (bootNow, bootIDNow, wallNow)
        return at
    }
}
