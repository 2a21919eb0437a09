extension Duration {
    /// Of waits, which are far shorter than the 292 years that fit.
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return min(max(seconds, 0), 1 << 32) * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
