/// Which series came lately and are in no base: those that come again get into one. When there are too many it begins anew,
/// and never says of a series that it came when its hash did not.
struct SeenSeries {
    private let allowance: BaseAllowance
    /// Of what is beyond `free`.
    private var share: BaseAllowance.Share?
    private var hashes: [UInt64] = []
    private var count = 0

    private static let smallest = 1 << 10
    /// Slots that every spool may have: 128 KiB.
    private static let free = 1 << 14
    /// Half a million series.
    private static let largest = 1 << 20

    init(_ allowance: BaseAllowance) { self.allowance = allowance }

    /// Makes room for so many more: at most half of it is in use.
    mutating func expect(_ more: Int) {
        var room = max(SeenSeries.smallest, hashes.count)
        while room < 2 * (count + more), room < SeenSeries.largest { room *= 2 }
        if room > hashes.count, !grow(to: room) { room = hashes.count }
        if 2 * (count + more) > room { forget() }
    }

    /// - Returns: false when the node has not so much memory left for it.
    private mutating func grow(to room: Int) -> Bool {
        if room > SeenSeries.free {
            guard let more = allowance.take(room * MemoryLayout<UInt64>.stride) else { return false }
            share = more
        }
        let former = hashes
        hashes = Array(repeating: 0, count: room)
        count = 0
        for hash in former where hash != 0 { _ = note(hash) }
        return true
    }

    /// Begins anew, with the same memory.
    private mutating func forget() {
        for at in hashes.indices { hashes[at] = 0 }
        count = 0
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
        share = nil
    }
}
