#if canImport(Glibc)
    import Glibc
#endif

/// The clocks the system has, as values that a test can replace.
public struct TimeSource: Sendable {
    /// Nanoseconds since the epoch; may step both ways.
    public var wall: @Sendable () -> Int64
    /// CLOCK_BOOTTIME, nanoseconds: never goes back, counts suspend, starts anew at boot.
    public var boot: @Sendable () -> Int64
    /// Distinguishes boots, so that a boot time is never compared across them.
    public var bootID: @Sendable () -> String

    public init(
        wall: @escaping @Sendable () -> Int64, boot: @escaping @Sendable () -> Int64,
        bootID: @escaping @Sendable () -> String
    ) {
        self.wall = wall
        self.boot = boot
        self.bootID = bootID
    }

    public static let system = TimeSource(
        wall: { read(CLOCK_REALTIME) },
        boot: { read(CLOCK_BOOTTIME) },
        bootID: { systemBootID }
    )

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return nanoseconds(time)
    }

    /// A clock that is set beyond the year 2255 stands there: what is counted from it is not to overflow.
    static func nanoseconds(_ time: timespec) -> Int64 {
        let last = 9_000_000_000
        if time.tv_sec >= last { return Int64(last) * 1_000_000_000 }
        return Int64(max(time.tv_sec, -last)) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static let systemBootID: String = {
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return "unknown" }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 36)
        let count = fread(&text, 1, text.count, file)
        return String(decoding: text.prefix(count), as: UTF8.self)
    }()
}
