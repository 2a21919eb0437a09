#if canImport(Glibc)
    import Glibc
#endif

/// How much the fault suites try: a few minutes of it by default, more where the environment asks.
enum Effort {
    /// - Parameter variable: an environment variable with a whole number above 0, such as `HOLDFAST_POWER_CUT_SEEDS`.
    static func count(_ variable: String, default standard: Int) -> Int {
        guard let text = getenv(variable).map({ String(cString: $0) }) else { return standard }
        guard let count = Int(text), count > 0 else {
            preconditionFailure("\(variable) takes a whole number above 0, not '\(text)'")
        }
        return count
    }
}
