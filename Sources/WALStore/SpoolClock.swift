/// Ages run on it: never goes back, and advances no faster than the machine's time since boot (`storage.md` 9).
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

    /// Across a restart of the machine the boot clock says nothing: the wall clock does, at most this much.
    static let restartAdvanceLimit: Int64 = 366 * 86_400 * 1_000_000_000

    /// The time now.
    mutating func read(_ time: TimeSource) -> Int64 {
        let (bootNow, bootIDNow, wallNow) = (time.boot(), time.bootID(), time.wall())
        let passed = bootIDNow == bootID ? bootNow - boot : min(wallNow - wall, SpoolClock.restartAdvanceLimit)
        at += max(0, passed)
        (boot, bootID, wall) = (bootNow, bootIDNow, wallNow)
        return at
    }
}
