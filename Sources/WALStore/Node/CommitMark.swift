import CXXHash

/// Where a spool's last commit ended, noted outside its database after each commit, before the answers go out.
///
/// It is evidence, not state: a log that was cut, lost or put back from an old copy opens without a complaint, as if what
/// it held had never been. With the mark the spool knows that something acknowledged is missing, and exactly how much.
/// The note is not synced: after a power cut it may be an old one, and then proves less; it never says too much.
///
/// 40 bytes, little-endian: "HFCM" and a version, next sequence, next position, a hash of the boot id, XXH3-64 of these.
struct CommitMark: Sendable {
    struct Value: Sendable, Equatable {
        var nextSequence: Int64
        var nextPosition: Int64
        /// Of the boot in which it was written.
        var boot: UInt64
    }
    private static let header: UInt64 = 0x0000_0001_4d43_4648
    private static let bytes = 40

    let path: String
    let files: Files

    static func boot(_ id: String) -> UInt64 {
        let bytes = Array(id.utf8)
        return bytes.withUnsafeBytes { holdfast_xxh3($0.baseAddress, $0.count) }
    }

    /// nil when there is none, or it is damaged.
    func read() -> Value? {
        var bytes = [UInt8](repeating: 0, count: CommitMark.bytes)
        do throws(FileError) {
            // Nothing read is nothing known, and that is believed.
            let count = try Files.patiently { () throws(FileError) in
                try files.disk.open(path)?.read(at: 0, into: &bytes, from: 0)
            }
            guard count == CommitMark.bytes else { return nil }
        } catch { return nil }
        let words = stride(from: 0, to: CommitMark.bytes, by: 8).map { CommitMark.word(bytes, $0) }
        guard words[0] == CommitMark.header, words[4] == CommitMark.sum(bytes) else { return nil }
        let (sequence, position) = (Int64(bitPattern: words[1]), Int64(bitPattern: words[2]))
        guard sequence >= 1, position >= 0 else { return nil }
        return Value(nextSequence: sequence, nextPosition: position, boot: words[3])
    }

    /// Notes a commit: a few calls, none of which waits for the disk. What cannot be noted is no reason to fail it.
    func write(_ value: Value) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(CommitMark.bytes)
        func put(_ word: UInt64) {
            for shift in stride(from: 0, to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        put(CommitMark.header)
        put(UInt64(bitPattern: value.nextSequence))
        put(UInt64(bitPattern: value.nextPosition))
        put(value.boot)
        put(CommitMark.sum(bytes))
        do throws(FileError) { try files.disk.note(bytes, at: path) } catch {}
    }

    private static func word(_ bytes: [UInt8], _ at: Int) -> UInt64 {
        bytes[at..<at + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Of all before the sum itself.
    private static func sum(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { holdfast_xxh3($0.baseAddress, CommitMark.bytes - 8) }
    }
}
