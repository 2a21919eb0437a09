/// What a table of keys from outside mixes into its hashes: drawn once a process, so that nobody can aim at one slot.
enum HashSeed {
    static func fresh() -> UInt64 {
        #if HOLDFAST_FUZZ
            // The same input has to take the same way again.
            0x9E37_79B9_7F4A_7C15
        #else
            UInt64.random(in: .min ... .max)
        #endif
    }
}
