/// The newest messages by a mark of them.
struct RecentMessages: ~Copyable {
    private var indexes = [Int32](repeating: -1, count: 512)

    /// - Returns: the last one whose mark may have been the same; -1 for none.
    mutating func replace(_ mark: UInt64, _ index: Int) -> Int {
        let slot = Int(truncatingIfNeeded: (mark &* 0x9e37_79b9_7f4a_7c15) >> 55)
        defer { indexes[slot] = Int32(truncatingIfNeeded: index) }
        return Int(indexes[slot])
    }
}
