/// Which series came lately and are in no base: those that come again get into one. When there are too many it begins anew,
/// and never says of a series that it came when its hash did not.
struct SeenSeries {
    private var hashes: [UInt64] = []
    private var count = 0

    private static let smallest = 1 << 10
    private static let largest = 1 << 18

    /// Makes room for so many more: at most half of it is in use.
    mutating func expect(_ more: Int) {
        var room = max(SeenSeries.smallest, hashes.count)
        while room < 2 * (count + more), room < SeenSeries.largest { room *= 2 }
        if 2 * (count + more) > room { removeAll() }
        guard room > hashes.count else { return }
        let former = hashes
        hashes = Array(repeating: 0, count: room)
        count = 0
        for hash in former where hash != 0 { _ = note(hash) }
    }

    /// - Returns: whether it had come before; notes that it has come.
    @inline(__always)
    mutating func note(_ hash: UInt64) -> Bool {
        // More than was expected, of a row with a huge number of series.
        guard 2 * count < hashes.count else { return false }
        let mask = hashes.count - 1
        var at = Int(truncatingIfNeeded: hash >> 32) & mask
        while hashes[at] != 0 {
            if hashes[at] == hash { return true }
            at = (at + 1) & mask
        }
        hashes[at] = hash
        count += 1
        return false
    }

    mutating func removeAll() {
        hashes = []
        count = 0
    }
}
