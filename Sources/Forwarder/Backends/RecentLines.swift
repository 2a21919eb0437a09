/// Which lines are in the files already: hashes of the newest ones. A line holds its place, so equal lines are one point.
struct RecentLines {
    /// Sorted hashes of what was found when the folder was opened.
    private let found: [Int]
    /// Sorted hashes of the last write: its settling may have failed.
    private var last: [Int] = []

    init(found lines: [UInt8]) { found = RecentLines.sortedHashes(of: lines) }

    /// - Returns: the lines that are not known; all of them at once in the usual case.
    func unknown(of lines: [UInt8]) -> [UInt8] {
        if found.isEmpty, last.isEmpty { return lines }
        var isKnown = false
        let ranges = RecentLines.ranges(of: lines)
        let hashes = RecentLines.hashes(of: lines, ranges)
        for hash in hashes where holds(hash) {
            isKnown = true
            break
        }
        if !isKnown { return lines }
        var kept: [UInt8] = []
        for (range, hash) in zip(ranges, hashes) where !holds(hash) { kept.append(contentsOf: lines[range]) }
        return kept
    }

    mutating func wrote(_ lines: [UInt8]) { last = RecentLines.sortedHashes(of: lines) }

    private static func sortedHashes(of lines: [UInt8]) -> [Int] { hashes(of: lines, ranges(of: lines)).sorted() }

    private func holds(_ hash: Int) -> Bool { RecentLines.has(hash, in: last) || RecentLines.has(hash, in: found) }

    private static func has(_ hash: Int, in sorted: [Int]) -> Bool {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < hash { low = middle + 1 } else { high = middle }
        }
        return low < sorted.count && sorted[low] == hash
    }

    private static func ranges(of lines: [UInt8]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 0
        for at in lines.indices where lines[at] == UInt8(ascii: "\n") {
            ranges.append(start..<at + 1)
            start = at + 1
        }
        return ranges
    }

    /// Seeded once a process: senders choose the lines, and must not be able to make two look the same.
    private static func hashes(of lines: [UInt8], _ ranges: [Range<Int>]) -> [Int] {
        lines.withUnsafeBytes { bytes in
            ranges.map { range in
                var hasher = Hasher()
                hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: bytes[range]))
                return hasher.finalize()
            }
        }
    }
}
