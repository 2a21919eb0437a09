import Metrics
import WALStore

/// The tenants over whose requests the program ended, time after time: each waits longer, so that the others have a program.
struct ProgramSuspects {
    private struct Suspect {
        var ends = 0
        /// Boot clock, nanoseconds: nothing of it is given to the program before.
        var until: Int64 = 0
    }

    /// Beyond so many it is not the points.
    private static let maximum = 1000

    private var suspects: [String: Suspect] = [:]
    private var last: Set<String> = []

    func contains(_ tenant: String) -> Bool { suspects[tenant] != nil }

    /// How long nothing of the tenant is given to the program; nil: it may be.
    func wait(_ tenant: String, now: Int64) -> Duration? {
        guard let suspect = suspects[tenant], suspect.until > now else { return nil }
        return .nanoseconds(suspect.until - now)
    }

    /// The program ended with requests of these.
    ///
    /// - Returns: whether they are those of the last time, and not all tenants one after the other.
    mutating func blame(_ tenants: Set<String>, _ times: ProgramTimes, now: Int64) -> Bool {
        for tenant in tenants where contains(tenant) || suspects.count < Self.maximum {
            let ends = (suspects[tenant]?.ends ?? 0) + 1
            suspects[tenant] = Suspect(ends: ends, until: now + times.wait(afterEnds: ends).wholeNanoseconds)
        }
        defer { last = tenants }
        return !tenants.isEmpty && tenants == last
    }

    /// The program has answered it.
    mutating func clear(_ tenant: String) {
        suspects[tenant] = nil
        last.remove(tenant)
    }
}
