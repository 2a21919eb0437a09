/// Label bytes of earlier bodies that were found canonical: the series of a sender come again with every scrape, and are
/// then compared with what was checked once instead of being checked again.
///
/// Bounded, and made for walks that are longer than it is: what does not fit is not kept, and what is kept stays until it
/// is hardly asked for any more.
struct KnownLabels: Sendable {
    static let maximumBytes = 4 << 20
    static let maximumEntries = 1 << 15
    /// Label bytes longer than this are rare, and dear to keep.
    private static let maximumLength = 4096

    /// What the check of label bytes came to.
    struct Verdict: Sendable, Equatable {
        /// Whether remote write 1.0 takes every name as it is.
        var hasPrometheusNames: Bool
    }

    private struct Entry: Sendable {
        /// The whole hash; the bytes are compared all the same.
        var hash: UInt64 = 0
        var start: UInt32 = 0
        /// 0 is free.
        var length: UInt16 = 0
        var hasPrometheusNames = false
    }

    /// At most half full.
    private var entries: [Entry] = []
    private var bytes: [UInt8] = []
    private(set) var count = 0
    private var isFull = false
    /// Since it is full.
    private var (lookups, hits) = (0, 0)
    private var limits: LabelLimits?

    /// To be called before the labels of a body are looked up: what was checked against other limits is forgotten.
    mutating func begin(_ limits: LabelLimits) {
        if self.limits != limits {
            forgetAll()
            self.limits = limits
        }
        guard isFull, lookups >= 4 * count else { return }
        // Other series come by now.
        if hits < lookups / 4 { forgetAll() }
        (lookups, hits) = (0, 0)
    }

    /// What is known of these bytes; nil when they have to be checked.
    @inline(__always)
    mutating func verdict(of labels: UnsafeRawBufferPointer, hash: UInt64) -> Verdict? {
        guard !entries.isEmpty else { return nil }
        lookups &+= 1
        let mask = entries.count - 1
        var at = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = entries[at]
            if entry.length == 0 { return nil }
            if entry.hash == hash, Int(entry.length) == labels.count, isEqual(labels, at: Int(entry.start)) {
                hits &+= 1
                return Verdict(hasPrometheusNames: entry.hasPrometheusNames)
            }
            at = (at + 1) & mask
        }
    }

    @inline(__always)
    private func isEqual(_ labels: UnsafeRawBufferPointer, at start: Int) -> Bool {
        bytes.withUnsafeBytes { bytes in
            let known = UnsafeRawBufferPointer(rebasing: bytes[start..<start + labels.count])
            return ByteOrder.compare(known, labels) == 0
        }
    }

    /// Keeps what was checked, if there is room.
    mutating func add(_ labels: UnsafeRawBufferPointer, hash: UInt64, _ verdict: Verdict) {
        guard !isFull, !labels.isEmpty, labels.count <= KnownLabels.maximumLength else { return }
        guard count < KnownLabels.maximumEntries, bytes.count + labels.count <= KnownLabels.maximumBytes else {
            isFull = true
            (lookups, hits) = (0, 0)
            return
        }
        if (count + 1) * 2 > entries.count { grow() }
        place(
            Entry(
                hash: hash, start: UInt32(bytes.count), length: UInt16(labels.count),
                hasPrometheusNames: verdict.hasPrometheusNames))
        bytes.append(contentsOf: labels)
        count += 1
    }

    private mutating func grow() {
        let old = entries
        entries = Array(repeating: Entry(), count: max(256, old.count * 2))
        for entry in old where entry.length > 0 { place(entry) }
    }

    private mutating func place(_ entry: Entry) {
        let mask = entries.count - 1
        var at = Int(truncatingIfNeeded: entry.hash) & mask
        while entries[at].length > 0 { at = (at + 1) & mask }
        entries[at] = entry
    }

    private mutating func forgetAll() {
        (entries, bytes, count, isFull, lookups, hits) = ([], [], 0, false, 0, 0)
    }
}
