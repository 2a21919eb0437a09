import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// The files of one tenant, the newest of them open for appending. Bound to its archive's thread.
///
/// Invariants: the newest file ends with a newline whenever nothing is being written; what `append` returned for is
/// fsynced, and so is the name of the file it is in; of the newest lines (`tailBytes`), none is in the files twice.
final class ArchiveFolder {
    private let path: String
    private let limits: ArchiveLimits
    private let space: FileSpace
    /// Holds the lock on the folder: another archive, or this one before a reload, must not write here.
    private let lock: Int32
    /// Oldest first; the last one is open.
    private var files: [ArchiveFile]
    private var file: Int32 = -1
    private var recent: RecentLines

    /// How far back a resend is recognised. A crash leaves what was sent in the last moments unsettled: a few requests.
    static let tailBytes = 16 << 20

    init(_ path: String, _ limits: ArchiveLimits, _ space: FileSpace = FileSpace()) throws(ArchiveError) {
        self.path = path
        self.limits = limits
        self.space = space
        recent = RecentLines(found: [])
        files = []
        try ArchiveCalls.makeFolder(path)
        lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard lock >= 0 else { throw ArchiveCalls.failure("open the folder", path) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else { throw ArchiveCalls.failure("lock the folder", path) }
        files = try ArchiveCalls.list(path)
        if let newest = files.last { try reopen(newest) }
        // Names that an earlier life made and did not fsync.
        guard fsync(lock) == 0 else { throw ArchiveCalls.failure("sync the folder", path) }
    }

    deinit {
        if file >= 0 { close(file) }
        if lock >= 0 { close(lock) }
    }

    // MARK: Opening

    /// Opens the newest file, cuts what a crash left half written, and remembers its last lines.
    private func reopen(_ newest: ArchiveFile) throws(ArchiveError) {
        let name = "\(path)/\(newest.name)"
        file = open(name, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { throw ArchiveCalls.failure("open", name) }
        let whole = try wholeBytes(newest.bytes, name)
        if whole < newest.bytes {
            guard ftruncate(file, whole) == 0 else { throw ArchiveCalls.failure("cut the torn end of", name) }
        }
        files[files.count - 1].bytes = whole
        var tail = try lastLines(file, whole, Self.tailBytes, name)
        // The last requests may lie across a rotation.
        if whole < Self.tailBytes, files.count > 1 {
            let before = files[files.count - 2]
            let older = "\(path)/\(before.name)"
            let descriptor = open(older, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw ArchiveCalls.failure("open", older) }
            defer { close(descriptor) }
            tail = try lastLines(descriptor, before.bytes, Self.tailBytes - whole, older) + tail
        }
        recent = RecentLines(found: tail)
        // What is recognised counts as stored: it must be on the disk, not only in the cache.
        guard fsync(file) == 0 else { throw ArchiveCalls.failure("sync", name) }
    }

    /// Bytes up to the end of the last whole line. A NUL is never in a line: a power cut left a hole there.
    private func wholeBytes(_ size: Int, _ name: String) throws(ArchiveError) -> Int {
        let start = max(0, size - Self.tailBytes)
        let tail = try ArchiveCalls.read(file, start..<size, name)
        let sound = tail.firstIndex(of: 0) ?? tail.count
        if let newline = tail[..<sound].lastIndex(of: UInt8(ascii: "\n")) { return start + newline + 1 }
        guard start > 0 else { return 0 }
        throw ArchiveError(description: "\(name) has no line end in its last \(Self.tailBytes) bytes: move it away")
    }

    private func lastLines(_ file: Int32, _ size: Int, _ limit: Int, _ name: String) throws(ArchiveError) -> [UInt8] {
        let start = max(0, size - limit)
        let bytes = try ArchiveCalls.read(file, start..<size, name)
        guard start > 0 else { return bytes }
        let first = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count - 1
        return Array(bytes[(first + 1)...])
    }

    // MARK: Appending

    /// - Parameters:
    ///   - lines: whole lines.
    ///   - now: wall clock, nanoseconds since the epoch.
    /// - Throws: when the lines are not all fsynced; what was written of them is taken back where that is possible.
    ///   The folder must then be opened anew.
    func append(_ lines: [UInt8], now: Int64) throws(ArchiveError) {
        // What counts as stored already must still be there too.
        try checkNewest()
        let new = recent.unknown(of: lines)
        if !new.isEmpty {
            try rotate(for: new.count, now: now)
            try write(new)
            try checkNewest()
        }
        recent.wrote(lines)
    }

    /// The open file is still the one its name means, and as long as it was left: else somebody deleted, moved, replaced
    /// or cut it, and what is written on into it is nowhere.
    private func checkNewest() throws(ArchiveError) {
        guard file >= 0, let newest = files.last else { return }
        let name = "\(path)/\(newest.name)"
        var (open, named) = (stat(), stat())
        guard fstat(file, &open) == 0 else { throw ArchiveCalls.failure("look at", name) }
        guard stat(name, &named) == 0, open.st_nlink > 0, open.st_ino == named.st_ino, open.st_dev == named.st_dev
        else { throw ArchiveError(description: "\(name) was deleted or moved while it was written to") }
        guard Int(open.st_size) == newest.bytes else {
            throw ArchiveError(
                description: "\(name) has \(open.st_size) bytes, not \(newest.bytes): somebody else changed it")
        }
    }

    private func write(_ lines: [UInt8]) throws(ArchiveError) {
        let newest = files.count - 1
        let name = "\(path)/\(files[newest].name)"
        let end = files[newest].bytes
        guard space.take(name, from: end, to: end + lines.count) else {
            throw ArchiveError(description: "write \(name): the node's budget is used up", isFull: true)
        }
        var isWritten = false
        defer { if !isWritten { space.giveBack(name, from: end + lines.count, to: end) } }
        if let failure = lines.withUnsafeBytes({ ArchiveCalls.write($0, to: file, at: end, name) }) {
            // A full disk: the space goes back, and the torn line with it.
            _ = ftruncate(file, end)
            throw failure
        }
        guard fdatasync(file) == 0 else {
            let failure = ArchiveCalls.failure("sync", name)
            // After a failed fsync the cache shows what the disk may not hold: reading it back must not find it.
            _ = ftruncate(file, end)
            throw failure
        }
        isWritten = true
        files[newest].bytes = end + lines.count
    }

    /// Begins a new file when there is none, or the newest is full or old.
    private func rotate(for bytes: Int, now: Int64) throws(ArchiveError) {
        let seconds = now / 1_000_000_000
        if let newest = files.last, file >= 0 {
            let isFull = newest.bytes > 0 && newest.bytes + bytes > limits.rotateBytes
            let isOld = newest.bytes > 0 && seconds - newest.createdAt >= limits.rotateAfter.components.seconds
            guard isFull || isOld else { return }
        }
        try begin(seconds)
    }

    /// - Parameter seconds: since the epoch.
    private func begin(_ seconds: Int64) throws(ArchiveError) {
        let next = ArchiveFile(number: (files.last?.number ?? 0) + 1, createdAt: max(0, seconds))
        let name = "\(path)/\(next.name)"
        let descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw ArchiveCalls.failure("create", name) }
        guard fsync(lock) == 0 else {
            let failure = ArchiveCalls.failure("sync the folder", path)
            close(descriptor)
            throw failure
        }
        if file >= 0 { close(file) }
        file = descriptor
        files.append(next)
    }

    /// Deletes the oldest closed files beyond `maximumBytes`.
    ///
    /// - Returns: those.
    func trim() throws(ArchiveError) -> [ArchiveFile] {
        var total = files.reduce(0) { $0 + $1.bytes }
        var deleted: [ArchiveFile] = []
        while total > limits.maximumBytes, files.count > 1 {
            let oldest = try deleteFirst()
            total -= oldest.bytes
            deleted.append(oldest)
        }
        return deleted
    }

    /// Deletes the oldest file, so that there is space for the next lines. The newest is closed for it, and goes, when
    /// there is no other and it is worth it.
    ///
    /// - Returns: nil when there is nothing to delete.
    func deleteOldest(now: Int64) throws(ArchiveError) -> ArchiveFile? {
        if files.count == 1, files[0].bytes >= Self.smallestDeletedBytes { try begin(now / 1_000_000_000) }
        return files.count > 1 ? try deleteFirst() : nil
    }

    /// What is smaller did not fill the disk.
    private static let smallestDeletedBytes = 1 << 20

    private func deleteFirst() throws(ArchiveError) -> ArchiveFile {
        let oldest = files[0]
        let name = "\(path)/\(oldest.name)"
        guard unlink(name) == 0 || errno == ENOENT else { throw ArchiveCalls.failure("delete", name) }
        space.giveBack(name, from: oldest.bytes, to: 0)
        return files.removeFirst()
    }
}
