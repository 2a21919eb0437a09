import CXXHash

/// The file: `holdfast summary 4\n`, the number of entries, the entries, and the XXH3-64 of all that. Integers are eight
/// bytes, little-endian; texts are their length and their UTF-8.
extension NodeSummary {
    private static let header = Array("holdfast summary 4\n".utf8)
    private static let maximumTextBytes: Int64 = 4096

    func encoded() -> [UInt8] {
        var writer = Writer(bytes: NodeSummary.header)
        writer.put(Int64(entries.count))
        for (tenant, entry) in entries.sorted(by: { $0.key < $1.key }) {
            writer.put(tenant)
            writer.put(entry.stamp)
            writer.put(entry.status)
        }
        writer.put(Int64(bitPattern: NodeSummary.checksum(writer.bytes[...])))
        return writer.bytes
    }

    /// nil for anything this version did not write whole.
    init?(decoding bytes: [UInt8]) {
        guard bytes.count >= NodeSummary.header.count + 16, bytes.starts(with: NodeSummary.header) else { return nil }
        let content = bytes[..<(bytes.count - 8)]
        var tail = Reader(bytes: bytes[(bytes.count - 8)...])
        guard tail.integer() == Int64(bitPattern: NodeSummary.checksum(content)) else { return nil }
        var reader = Reader(bytes: content.dropFirst(NodeSummary.header.count))
        guard let count = reader.integer(), count >= 0 else { return nil }
        for _ in 0..<count {
            guard let tenant = reader.text(), let stamp = reader.stamp(), let status = reader.status() else {
                return nil
            }
            entries[tenant] = Entry(status: status, stamp: stamp.value)
        }
        guard reader.bytes.isEmpty else { return nil }
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.withUnsafeBytes { holdfast_xxh3($0.baseAddress, $0.count) }
    }

    // MARK: Fields, in the order they are written

    private static let statusFields: [any WritableKeyPath<SpoolStatus, Int64> & Sendable] = [
        \.acceptedPoints, \.acceptedRequests, \.refusedPoints, \.droppedAtIngestPoints, \.batches, \.lastSequence,
        \.databaseBytes, \.freePageBytes, \.walBytes, \.deadLetters, \.deadLetterBytes, \.lossRows,
        \.setAsideFiles, \.setAsideBytes, \.salvaging, \.replays, \.oldestStoredAt,
    ]
    private static let backendFields: [any WritableKeyPath<BackendLedger, Int64> & Sendable] = [
        \.owedPoints, \.pendingPoints, \.deliveredPoints, \.assumedPoints, \.deadPoints, \.lostPoints, \.excludedPoints,
        \.pendingBytes,
    ]

    private struct Writer {
        var bytes: [UInt8]

        mutating func put(_ integer: Int64) {
            for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: integer >> shift)) }
        }
        mutating func put(_ text: String) {
            let text = Array(text.utf8.prefix(Int(NodeSummary.maximumTextBytes)))
            put(Int64(text.count))
            bytes.append(contentsOf: text)
        }
        mutating func put(_ stamp: Stamp?) {
            put(stamp == nil ? 0 : 1)
            put(stamp?.bytes ?? 0)
            put(stamp?.modifiedAt ?? 0)
            put(Int64(bitPattern: stamp?.inode ?? 0))
        }
        mutating func put(_ status: SpoolStatus) {
            put(status.tenant)
            put(status.incarnation)
            for field in NodeSummary.statusFields { put(status[keyPath: field]) }
            put(status.maximumBytes ?? -1)
            put(status.chain?.length ?? 0)
            put(status.chain?.head ?? "")
            put(Int64(status.backends.count))
            for backend in status.backends {
                put(backend.name)
                put(backend.type)
                for field in NodeSummary.backendFields { put(backend[keyPath: field]) }
                put(Int64(bitPattern: backend.oldestPendingAgeSeconds.bitPattern))
                put(backend.isDetached ? 1 : 0)
                put(backend.retry.mode.rawValue)
                put(Int64(backend.retry.attempts))
                put(backend.retry.nextAttemptAt)
                put(backend.retry.reason)
            }
        }
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func integer() -> Int64? {
            guard bytes.count >= 8 else { return nil }
            var value: UInt64 = 0
            for (index, byte) in bytes.prefix(8).enumerated() { value |= UInt64(byte) << (8 * UInt64(index)) }
            bytes = bytes.dropFirst(8)
            return Int64(bitPattern: value)
        }
        mutating func text() -> String? {
            guard let count = integer(), (0...NodeSummary.maximumTextBytes).contains(count), bytes.count >= count else {
                return nil
            }
            defer { bytes = bytes.dropFirst(Int(count)) }
            return String(decoding: bytes.prefix(Int(count)), as: UTF8.self)
        }
        mutating func stamp() -> (value: Stamp?, Void)? {
            guard let isThere = integer(), let size = integer(), let modifiedAt = integer(), let inode = integer()
            else {
                return nil
            }
            let stamp = Stamp(bytes: size, modifiedAt: modifiedAt, inode: UInt64(bitPattern: inode))
            return (isThere == 0 ? nil : stamp, ())
        }
        mutating func status() -> SpoolStatus? {
            var status = SpoolStatus()
            guard let tenant = text(), let incarnation = text() else { return nil }
            status.tenant = tenant
            status.incarnation = incarnation
            for field in NodeSummary.statusFields {
                guard let value = integer() else { return nil }
                status[keyPath: field] = value
            }
            guard let maximum = integer(), let length = integer(), let head = text(), let count = integer(), count >= 0
            else { return nil }
            status.maximumBytes = maximum < 0 ? nil : maximum
            if length > 0 { status.chain = ChainStatus(length: length, head: head) }
            for _ in 0..<count {
                guard let backend = backend() else { return nil }
                status.backends.append(backend)
            }
            return status
        }
        private mutating func backend() -> BackendLedger? {
            var backend = BackendLedger()
            guard let name = text(), let type = text() else { return nil }
            backend.name = name
            backend.type = type
            for field in NodeSummary.backendFields {
                guard let value = integer() else { return nil }
                backend[keyPath: field] = value
            }
            guard let age = integer(), let isDetached = integer(), let mode = text(), let attempts = integer(),
                let next = integer(), let reason = text()
            else { return nil }
            backend.oldestPendingAgeSeconds = Double(bitPattern: UInt64(bitPattern: age))
            backend.isDetached = isDetached != 0
            backend.retry = RetryState(
                mode: RetryState.Mode(rawValue: mode) ?? .ok, attempts: Int(attempts), nextAttemptAt: next,
                reason: reason)
            return backend
        }
    }
}
