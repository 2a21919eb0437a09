/// The texts of one remote write 2.0 request, each once: labels and metadata name them by number. Number 0 is the empty text.
/// <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/#symbols>
///
/// Reused from request to request: it keeps its memory.
struct SymbolTable: Sendable {
    private var bytes: [UInt8] = []
    /// Where each text ends in `bytes`.
    private var ends: [Int] = [0]
    private var hashes: [UInt64] = [0]
    /// Numbers, at most half full; 0 is free.
    private var slots: [UInt32] = []

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        // One request of many texts must not make each later one clear its slots.
        if slots.count > max(1 << 14, 16 * ends.count) {
            slots = []
        } else {
            for index in slots.indices { slots[index] = 0 }
        }
        ends.removeSubrange(1...)
        hashes.removeSubrange(1...)
    }

    /// The number of `text`, which gets one when it is new.
    mutating func number(of text: UnsafeRawBufferPointer) -> UInt32 {
        if text.isEmpty { return 0 }
        if 2 * (ends.count + 1) > slots.count { grow() }
        let hash = SeriesTable.hash(text)
        var at = slot(hash)
        while slots[at] != 0 {
            let number = slots[at]
            if hashes[Int(number)] == hash, isText(number, text) { return number }
            at = (at + 1) & (slots.count - 1)
        }
        let number = UInt32(ends.count)
        slots[at] = number
        bytes.append(contentsOf: text)
        ends.append(bytes.count)
        hashes.append(hash)
        return number
    }

    mutating func number(of text: String) -> UInt32 {
        var text = text
        return text.withUTF8 { number(of: UnsafeRawBufferPointer($0)) }
    }

    /// Appends all of them as fields of a request, in the order of their numbers.
    func append(to body: inout [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            var start = 0
            for end in ends {
                let text = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                ProtobufWriter.appendBytes(Int(RemoteWriteField.Request.symbolsOf2), text, to: &body)
                start = end
            }
        }
    }

    private func slot(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash >> 32) & (slots.count - 1) }

    private func isText(_ number: UInt32, _ text: UnsafeRawBufferPointer) -> Bool {
        let range = ends[Int(number) - 1]..<ends[Int(number)]
        guard range.count == text.count else { return false }
        return bytes.withUnsafeBytes { ByteOrder.compare(UnsafeRawBufferPointer(rebasing: $0[range]), text) == 0 }
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: max(256, 2 * slots.count))
        for number in ends.indices.dropFirst() {
            var at = slot(hashes[number])
            while slots[at] != 0 { at = (at + 1) & (slots.count - 1) }
            slots[at] = UInt32(number)
        }
    }
}
