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

    /// Label bytes that were checked.
    struct Entry: Sendable {
        /// Of `SeriesTable.hash`.
        var hash: UInt64
        fileprivate var start: UInt32
        fileprivate(set) var length: UInt16
        var verdict: Verdict
    }

    /// In the order in which they came first, which is that of a sender's next scrape, too.
    private var entries: [Entry] = []
    private var bytes: [UInt8] = []
    /// Indexes in `entries` plus 1, found by hash; at most half full, 0 is free.
    private var slots: [UInt16] = []
    /// The one behind the last that was found.
    private var next = 0
    private var isFull = false
    /// Since it is full.
    private var (lookups, hits) = (0, 0)
    private var limits: LabelLimits?

    var count: Int { entries.count }

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

    /// The labels at the beginning of `bytes`, when they are those that came behind the last ones before: the usual case,
    /// which needs neither a hash nor a look at where they end.
    ///
    /// What follows them may be a label, too: the caller looks.
    @inline(__always)
    mutating func takeNext(_ message: UnsafeRawBufferPointer) -> Entry? {
        guard next < entries.count else { return nil }
        let entry = entries[next]
        guard Int(entry.length) <= message.count, isPrefix(entry, of: message) else { return nil }
        next += 1
        lookups &+= 1
        hits &+= 1
        return entry
    }

    /// What is known of these bytes; nil when they have to be checked.
    @inline(__always)
    mutating func find(_ labels: UnsafeRawBufferPointer, hash: UInt64) -> Entry? {
        guard !slots.isEmpty else { return nil }
        lookups &+= 1
        let mask = slots.count - 1
        var at = Int(truncatingIfNeeded: hash) & mask
        while true {
            let index = Int(slots[at]) - 1
            if index < 0 { return nil }
            let entry = entries[index]
            if entry.hash == hash, Int(entry.length) == labels.count, isPrefix(entry, of: labels) {
                hits &+= 1
                next = index + 1
                return entry
            }
            at = (at + 1) & mask
        }
    }

    @inline(__always)
    private func isPrefix(_ entry: Entry, of message: UnsafeRawBufferPointer) -> Bool {
        bytes.withUnsafeBytes { bytes in
            let known = bytes[Int(entry.start)..<Int(entry.start) + Int(entry.length)]
            return ByteOrder.compare(
                UnsafeRawBufferPointer(rebasing: known),
                UnsafeRawBufferPointer(rebasing: message[..<Int(entry.length)])) == 0
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
        if (count + 1) * 2 > slots.count { index() }
        entries.append(
            Entry(hash: hash, start: UInt32(bytes.count), length: UInt16(labels.count), verdict: verdict))
        bytes.append(contentsOf: labels)
        place(entries.count - 1)
        next = entries.count
    }

    private mutating func index() {
        slots = Array(repeating: 0, count: max(256, slots.count * 2))
        for index in entries.indices { place(index) }
    }

    private mutating func place(_ index: Int) {
        let mask = slots.count - 1
        var at = Int(truncatingIfNeeded: entries[index].hash) & mask
        while slots[at] != 0 { at = (at + 1) & mask }
        slots[at] = UInt16(index + 1)
    }

    private mutating func forgetAll() {
        (entries, bytes, slots, next, isFull, lookups, hits) = ([], [], [], 0, false, 0, 0)
    }
}
