#if canImport(Glibc)
    import Glibc
#endif

/// What a write-ahead log holds, frame by frame: read by plain calls, so only while no handle of this process is open on
/// the database. Format: <https://sqlite.org/fileformat2.html#walformat>.
///
/// SQLite's own recovery stops at the first frame whose running checksum is wrong, and says nothing of what lies behind
/// it. Each frame can be checked by itself, though, with the checksum stored in the frame before as its start: so a
/// damaged frame costs that frame, and commits behind it prove that something acknowledged would be missing.
struct LogFrames: Sendable {
    static let headerBytes = 32
    static let frameHeaderBytes = 24
    static let frameBytes = 24 + DatabasePages.pageBytes

    /// Page number to the offset of its newest usable version in the log.
    private(set) var pages: [UInt32: Int64] = [:]
    /// Transactions with a commit mark at or behind the first frame that SQLite would not take.
    private(set) var commitsBehindDamage = 0
    private(set) var damagedFrames = 0
    private(set) var isHeaderDamaged = false

    private struct Frame {
        var page: UInt32
        var isCommit: Bool
        var salts: UInt64
        var sums: (UInt32, UInt32)
    }

    private var salts: UInt64?
    private var isBigEndian = false
    /// Pages of the transaction that has no commit mark yet.
    private var open: [UInt32: Int64] = [:]
    private var isChainBroken = false
    private var isOpenDamaged = false
    /// The page of the last sound frame with a commit mark.
    private var lastCommit: UInt32?

    /// - Throws: `.unavailable` when the file cannot be read, `.closing` when the node closes meanwhile. No file, or an
    ///   empty one, holds no frames.
    init(_ path: String, _ files: Files) throws(SpoolError) {
        do throws(FileError) {
            guard let file = try files.disk.open(path) else { return }
            try read(file, files.stop)
        } catch {
            try files.stop.check()
            throw Files.failure("read", path, error)
        }
    }

    private mutating func read(_ file: any OpenedFile, _ stop: StopFlag) throws(FileError) {
        var header = [UInt8](repeating: 0, count: LogFrames.headerBytes)
        guard try file.read(at: 0, into: &header, from: 0) == header.count else { return }
        var seeds = takeHeader(header)
        var bytes = [UInt8](repeating: 0, count: LogFrames.frameBytes)
        var offset = Int64(LogFrames.headerBytes)
        var extent: Range<Int64> = 0..<0
        while true {
            if stop.isRaised { throw FileError(ECANCELED) }
            if !extent.contains(offset) {
                // Zeros, far more than there are bytes on the disk, may lie ahead.
                guard let next = file.data(from: offset) else { break }
                extent = next
                let frames = max(0, next.lowerBound - offset) / Int64(bytes.count)
                if frames > 0 { (isChainBroken, seeds) = (true, [(0, 0)]) }
                offset += frames * Int64(bytes.count)
            }
            guard try file.read(at: offset, into: &bytes, from: 0) == bytes.count else { break }
            let frame = LogFrames.frame(bytes)
            if salts == nil { salts = frame.salts }
            take(frame, bytes, at: offset, &seeds)
            offset += Int64(bytes.count)
        }
        // Nothing vouches for a transaction without a commit mark, unless the mark is what was damaged.
        if isOpenDamaged { pages.merge(open) { $1 } }
    }

    /// - Returns: the running checksums that the first frame may start from.
    private mutating func takeHeader(_ header: [UInt8]) -> [(UInt32, UInt32)] {
        let magic = LogFrames.bigEndian(header, 0)
        isBigEndian = magic & 1 == 1
        let sums = LogFrames.sums(header[0..<24], from: (0, 0), isBigEndian)
        let stored = (LogFrames.bigEndian(header, 24), LogFrames.bigEndian(header, 28))
        guard magic & ~1 == 0x377f_0682, sums == stored else {
            // Written by this kind of machine; the salts are then those of the first frame.
            isBigEndian = false
            isHeaderDamaged = true
            isChainBroken = true
            damagedFrames += 1
            return [stored, sums]
        }
        salts = LogFrames.salts(header, 16)
        return [stored]
    }

    private mutating func take(
        _ frame: Frame, _ bytes: [UInt8], at offset: Int64, _ seeds: inout [(UInt32, UInt32)]
    ) {
        var computed: (UInt32, UInt32)?
        for seed in seeds {
            let head = LogFrames.sums(bytes[0..<8], from: seed, isBigEndian)
            let sums = LogFrames.sums(bytes[LogFrames.frameHeaderBytes...], from: head, isBigEndian)
            if sums == frame.sums { computed = sums }
        }
        seeds = [frame.sums]
        // A frame of an earlier round of the log: it was never meant to be read again.
        guard frame.salts == salts || (computed != nil && !isChainBroken) else {
            isChainBroken = true
            return
        }
        guard computed != nil, frame.salts == salts, frame.page > 0 else {
            damagedFrames += 1
            isChainBroken = true
            isOpenDamaged = true
            // A sector of chance may say so too: an end it may be, and no proof of a commit.
            if frame.isCommit { end() }
            return
        }
        open[frame.page] = offset + Int64(LogFrames.frameHeaderBytes)
        if frame.isCommit { commit(frame) }
    }

    private mutating func commit(_ frame: Frame) {
        // SQLite repeats the last frame up to the end of a sector (`psow=0`): that is no transaction of its own, also where
        // a power cut tore one of the two.
        let isPadding = lastCommit.map { $0 == frame.page && (open.keys.allSatisfy { $0 == frame.page }) } ?? false
        if isChainBroken, !isPadding { commitsBehindDamage += 1 }
        lastCommit = frame.page
        end()
    }

    private mutating func end() {
        pages.merge(open) { $1 }
        open = [:]
        isOpenDamaged = false
    }

    // MARK: Bytes

    private static func frame(_ bytes: [UInt8]) -> Frame {
        Frame(
            page: bigEndian(bytes, 0), isCommit: bigEndian(bytes, 4) != 0, salts: salts(bytes, 8),
            sums: (bigEndian(bytes, 16), bigEndian(bytes, 20)))
    }

    private static func salts(_ bytes: [UInt8], _ at: Int) -> UInt64 {
        UInt64(bigEndian(bytes, at)) << 32 | UInt64(bigEndian(bytes, at + 4))
    }

    private static func bigEndian(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        bytes.withUnsafeBytes { UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: at, as: UInt32.self)) }
    }

    /// The log's checksum over pairs of words. <https://sqlite.org/fileformat2.html#checksum_algorithm>
    private static func sums(
        _ bytes: ArraySlice<UInt8>, from seed: (UInt32, UInt32), _ isBigEndian: Bool
    ) -> (UInt32, UInt32) {
        bytes.withUnsafeBytes { buffer in
            var (first, second) = seed
            for offset in stride(from: 0, to: buffer.count, by: 8) {
                let left = buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                let right = buffer.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                first &+= (isBigEndian ? UInt32(bigEndian: left) : UInt32(littleEndian: left)) &+ second
                second &+= (isBigEndian ? UInt32(bigEndian: right) : UInt32(littleEndian: right)) &+ first
            }
            return (first, second)
        }
    }
}
