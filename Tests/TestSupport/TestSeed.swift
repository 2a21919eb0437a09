#if canImport(Glibc)
    import Glibc
#endif

public enum TestSeed {
    /// The seed to run again, from `HOLDFAST_TEST_SEED`.
    public static let fixed: UInt64? = getenv("HOLDFAST_TEST_SEED").flatMap { UInt64(String(cString: $0)) }

    /// The first of a suite's many seeds: the same in each run, so that a red run speaks of the change that is tested.
    /// With `HOLDFAST_FRESH_SEEDS` set, new ones are looked for.
    public static let first: UInt64 =
        fixed ?? (getenv("HOLDFAST_FRESH_SEEDS") == nil ? 1 << 32 : UInt64.random(in: 0...(.max >> 1)))
}
