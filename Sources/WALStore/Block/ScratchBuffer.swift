import Metrics

/// Bytes that a block is built in: grown, never shrunk, written through a pointer. Room is made once for many writes
/// (`reserve`), so that a write is a store and an add.
///
/// Bound to the one thread that encodes; not `Sendable`.
final class ScratchBuffer {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private(set) var capacity: Int
    var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        base = .allocate(capacity: capacity)
    }

    deinit { base.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Makes room for `more` bytes behind those written.
    @inline(__always)
    func reserve(_ more: Int) {
        if count + more > capacity { grow(count + more) }
    }

    private func grow(_ needed: Int) {
        let larger = max(needed, capacity * 2)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        moved.update(from: base, count: count)
        base.deallocate()
        base = moved
        capacity = larger
    }

    @inline(__always)
    func append(_ byte: UInt8) {
        reserve(1)
        base[count] = byte
        count += 1
    }

    @inline(__always)
    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        reserve(bytes.count)
        UnsafeMutableRawPointer(base + count).copyMemory(from: start, byteCount: bytes.count)
        count += bytes.count
    }

    @inline(__always)
    func appendVarint(_ value: UInt64) {
        reserve(10)
        count = ScratchBuffer.writeVarint(value, base, count)
    }

    @inline(__always)
    func appendVarint(_ value: Int) { appendVarint(UInt64(value)) }
    func appendZigzag(_ value: Int64) { appendVarint(Varint.zigzag(value)) }

    func appendFixed(_ value: UInt64) {
        withUnsafeBytes(of: value.littleEndian) { append($0) }
    }

    func append(text: String) {
        var text = text
        text.withUTF8 { utf8 in
            appendVarint(utf8.count)
            append(UnsafeRawBufferPointer(utf8))
        }
    }

    func append(counted bytes: [UInt8]) {
        appendVarint(bytes.count)
        bytes.withUnsafeBytes { append($0) }
    }

    /// Writes without asking for room: the caller reserved at least 10 bytes.
    @inline(__always)
    static func writeVarint(_ value: UInt64, _ base: UnsafeMutablePointer<UInt8>, _ at: Int) -> Int {
        var value = value
        var at = at
        while value >= 0x80 {
            base[at] = UInt8(truncatingIfNeeded: value) | 0x80
            value >>= 7
            at += 1
        }
        base[at] = UInt8(truncatingIfNeeded: value)
        return at + 1
    }
}
