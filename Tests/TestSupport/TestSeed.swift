#if canImport(Glibc)
    import Glibc
#endif

public enum TestSeed {
    /// The seed to run again, from `HOLDFAST_TEST_SEED`.
    public static let fixed: UInt64? = getenv("HOLDFAST_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
}
