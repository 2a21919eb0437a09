import CXXHash

/// A piece of a body, by place: what a table keeps instead of a pointer.
struct Span: Sendable, Hashable {
    var start: Int
    var count: Int

    init(_ start: Int, _ end: Int) {
        self.start = start
        self.count = end - start
    }
    var end: Int { start + count }
    static let empty = Span(0, 0)

    @inline(__always)
    func bytes(in body: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: body[start..<start + count])
    }
}

/// Numbers found again by a piece of the body and a tag: keys repeat from line to line, and a key that was seen need not
/// be parsed again. It keeps places in the body, not bytes, so it lives for one body; its memory for many.
struct SpanTable: Sendable {
    private struct Entry: Sendable {
        var hash: UInt64
        var span: Span
        var tag: UInt32
        var value: UInt32
    }
    private var entries: [Entry] = []
    /// Index into `entries` plus 1; 0 is free. At most half full.
    private var slots: [UInt32] = Array(repeating: 0, count: 64)
    /// The keys are chosen by strangers, who must not be able to aim at one slot.
    private static let seed = HashSeed.fresh()

    init() {}

    var count: Int { entries.count }

    mutating func removeAll() {
        if entries.isEmpty { return }
        entries.removeAll(keepingCapacity: true)
        for index in slots.indices { slots[index] = 0 }
    }

    @inline(__always)
    static func hash(_ key: UnsafeRawBufferPointer, tag: UInt32 = 0) -> UInt64 {
        holdfast_xxh3_seeded(key.baseAddress, key.count, seed &+ UInt64(tag))
    }

    @inline(__always)
    func find(
        _ key: UnsafeRawBufferPointer, tag: UInt32 = 0, hash: UInt64, in body: UnsafeRawBufferPointer
    ) -> UInt32? {
        slots.withUnsafeBufferPointer { slots in
            entries.withUnsafeBufferPointer { entries in
                let mask = slots.count - 1
                var at = Int(truncatingIfNeeded: hash) & mask
                while true {
                    let slot = slots[at]
                    if slot == 0 { return nil }
                    let entry = entries[Int(slot) - 1]
                    if entry.hash == hash, entry.tag == tag,
                        ByteOrder.compare(entry.span.bytes(in: body), key) == 0
                    {
                        return entry.value
                    }
                    at = (at + 1) & mask
                }
            }
        }
    }

    /// Adds a key that `find` did not find.
    mutating func insert(_ span: Span, tag: UInt32 = 0, hash: UInt64, value: UInt32) {
        if (entries.count + 1) * 2 > slots.count { grow() }
        entries.append(Entry(hash: hash, span: span, tag: tag, value: value))
        place(entries.count - 1)
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        for index in entries.indices { place(index) }
    }

    private mutating func place(_ index: Int) {
        let mask = slots.count - 1
        var at = Int(truncatingIfNeeded: entries[index].hash) & mask
        while slots[at] != 0 { at = (at + 1) & mask }
        slots[at] = UInt32(index + 1)
    }
}
