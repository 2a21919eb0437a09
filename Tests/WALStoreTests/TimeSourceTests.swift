import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What a clock may be set to.
@Suite struct TimeSourceTests {
    @Test(arguments: [
        (0, 5, 5), (1_790_000_000, 7, 1_790_000_000_000_000_007), (-1, 999_999_999, -1),
        (9_000_000_000, 3, 9_000_000_000_000_000_000),
        (9_223_372_037, 0, 9_000_000_000_000_000_000), (Int.max, 999_999_999, 9_000_000_000_000_000_000),
        (Int.min, 0, -9_000_000_000_000_000_000),
    ])
    func `a clock beyond all counting stands still, and overflows nothing`(seconds: Int, nanoseconds: Int, time: Int64)
    {
        #expect(TimeSource.nanoseconds(timespec(tv_sec: seconds, tv_nsec: nanoseconds)) == time)
    }
}
