import CXXHash
import TestSupport

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

extension FuzzTarget {
    /// The node's summary, as it is and with its checksum made right: what is read and written is read the same.
    static let nodeSummary = FuzzTarget("node_summary", maximumBytes: 2048, seeds: { NodeFileSeeds.summaries }) {
        bytes in
        _ = NodeSummary(decoding: Array(bytes))
        var sealed = Array(bytes)
        NodeFileSeeds.seal(&sealed)
        guard let summary = NodeSummary(decoding: sealed) else { return }
        for entry in summary.entries.values {
            _ = entry.hasWork
            _ = entry.status.usedBytes
        }
        let again = NodeSummary(decoding: summary.encoded())
        // Compared as bytes: an age may be a NaN, which equals nothing.
        try require(again?.encoded() == summary.encoded(), "a summary gives back what it was made of")
    }

    /// The high-water mark: whatever the file says, a sequence that is given is reserved first, and reservations rise.
    static let highWaterMark = FuzzTarget("high_water_mark", maximumBytes: 512, seeds: { NodeFileSeeds.marks }) {
        bytes in
        let path = NodeFileSeeds.folder.path + "/mark"
        try NodeFileSeeds.write(path, bytes)
        let mark = HighWaterMark(path: path, files: .system, wall: { 1_790_000_000_000_000_000 })
        guard let first = try? mark.read() else {
            try require(bytes.count > 256, "only a file that is too long cannot be read")
            return
        }
        try require(first >= 1, "\(first) is a sequence")
        guard let next = try? mark.reserve(from: first) else {
            try require(first > .max - HighWaterMark.step, "only the end of all sequences refuses")
            return
        }
        try require(next > first, "\(first) is reserved")
        try require(try mark.read() == next, "durably")
        try require(try mark.reserve(from: first) == next, "once")
    }
}

private enum NodeFileSeeds {
    static let folder: TemporaryFolder = {
        do { return try TemporaryFolder() } catch { preconditionFailure("no folder: \(error)") }
    }()

    static func write(_ path: String, _ bytes: UnsafeRawBufferPointer) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(file) }
        try require(Glibc.write(file, bytes.baseAddress, bytes.count) == bytes.count, "the scratch folder has room")
    }

    static let marks: [[UInt8]] = [
        "holdfast sequences 1\n4097\n", "holdfast sequences 1\n9223372036854775807\n", "holdfast sequences 2\n1\n", "",
    ].map { Array($0.utf8) }

    static let summaries: [[UInt8]] = {
        var status = SpoolStatus()
        status.tenant = "acme"
        status.incarnation = "0123"
        var backend = BackendLedger()
        backend.name = "a"
        backend.type = "archive"
        backend.pendingPoints = 5
        status.backends = [backend]
        var summary = NodeSummary()
        let empty = summary.encoded()
        summary.entries["acme"] = NodeSummary.Entry(
            status: status, stamp: NodeSummary.Stamp(bytes: 4096, modifiedAt: 5, inode: 7))
        summary.entries["other"] = NodeSummary.Entry(status: SpoolStatus(), stamp: nil)
        return [empty, summary.encoded()]
    }()

    static func seal(_ bytes: inout [UInt8]) {
        let covered = bytes.count - 8
        guard covered >= 0 else { return }
        let checksum = bytes.withUnsafeBytes { holdfast_xxh3($0.baseAddress, covered) }
        withUnsafeBytes(of: checksum.littleEndian) { bytes.replaceSubrange(covered..., with: $0) }
    }
}
