#if canImport(Glibc)
    import Glibc
#endif

/// All that the store asks of the disk besides SQLite's own calls: the data folder goes through here as a whole, so that
/// tests can put a simulated disk under it (`Tests/Faults/Disk`).
///
/// Calls are those of POSIX and fail with their `errno`. Nothing is durable that is not said to be: a new, renamed or
/// removed name lasts once `syncFolder` has returned. Never used on a live database: only SQLite opens those.
package protocol FileSystem: Sendable {
    /// The SQLite VFS that reaches the same disk; nil: the process's default.
    var vfs: String? { get }

    /// `mkdir`, mode 0700.
    func makeFolder(_ path: String) throws(FileError)
    /// `fsync` of a folder: names made, renamed and removed in it last from here on.
    func syncFolder(_ path: String) throws(FileError)
    /// Which folder stands there, behind links: another one is another; nil where nobody but us can change that.
    ///
    /// - Throws: `ENOENT` when there is none.
    func identity(of folder: String) throws(FileError) -> FolderIdentity?
    /// Names in a folder, without `.` and `..`.
    func names(in folder: String) throws(FileError) -> [String]
    /// `lstat`; nil when there is no such name.
    func status(_ path: String) throws(FileError) -> FileStatus?
    /// The file's bytes; `EFBIG` when there are more than `limit`. What is no plain file is never waited for: see `open`.
    func read(_ path: String, limit: Int) throws(FileError) -> [UInt8]
    /// Makes the file, mode 0600, or empties it, and writes `bytes`; the content, not the name, is durable on return.
    func write(_ bytes: [UInt8], to path: String) throws(FileError)
    /// Makes the file, mode 0600, with room on the disk for `bytes`; content and name of it need not be durable.
    func reserve(_ bytes: Int64, at path: String) throws(FileError)
    /// Atomic: after a crash the old name is there or the new one.
    func rename(_ path: String, to target: String) throws(FileError)
    /// `unlink`.
    func remove(_ path: String) throws(FileError)
    /// Of the file system that holds `path`.
    func space(of path: String) throws(FileError) -> DiskSpace
    /// Locks the file against other processes, making it if need be, and writes `holder` into it.
    ///
    /// - Returns: held until it is unlocked or goes.
    /// - Throws: `EWOULDBLOCK` when somebody has it.
    func lock(_ path: String, holder: [UInt8]) throws(FileError) -> any FileLock
    /// Locks a folder itself against other processes: whatever is deleted in it, it stays locked.
    ///
    /// - Returns: held until it is unlocked or goes; nil where the file system locks no folders.
    /// - Throws: `EWOULDBLOCK` when somebody has it.
    func lockFolder(_ path: String) throws(FileError) -> (any FileLock)?

    /// `stat`: of what a link points to. `ELOOP` for a link to itself, `ENOENT` for one that leads nowhere.
    func target(of path: String) throws(FileError) -> FileStatus
    /// The path without links on the way or at its end.
    func realPath(_ path: String) throws(FileError) -> String
    /// Renames what stands at `path` unless it is a plain file, or a link to one. Two that do it at once could move what
    /// the first has made in its place: whoever calls it has the data folder (`lockFolder`).
    ///
    /// - Returns: whether there was such a thing.
    func moveAside(_ path: String, to target: String) throws(FileError) -> Bool

    /// Opens a file to be read in places; nil when there is none. `EISDIR` for a folder, `EINVAL` for a pipe, a socket or
    /// a device: the same goes for all that opens a file here.
    func open(_ path: String) throws(FileError) -> (any OpenedFile)?
    /// Writes `bytes` over the beginning of the file, making it, mode 0600, if need be. Nothing is durable, now or soon.
    func note(_ bytes: [UInt8], at path: String) throws(FileError)
    /// `chmod 0600` for a file of ours that lacks the right to be read or written.
    func restoreAccess(_ path: String)

    /// Adds `bytes` to the end of the file, making it, mode 0600, if need be. Nothing is durable.
    func append(_ bytes: [UInt8], to path: String) throws(FileError)
    /// `fsync` of a file: what was written to it lasts from here on, its name does not.
    func sync(_ path: String) throws(FileError)
    /// `rmdir`: of an empty folder.
    func removeFolder(_ path: String) throws(FileError)
    /// The folder's path without links in it; nil when there is no such folder.
    func resolved(_ folder: String) -> String?
}

/// What a disk that has no more to it does.
extension FileSystem {
    package func target(of path: String) throws(FileError) -> FileStatus {
        guard let status = try status(path) else { throw FileError(ENOENT) }
        return status
    }
    /// Nobody else is on it.
    package func lockFolder(_ path: String) throws(FileError) -> (any FileLock)? { nil }
    package func identity(of folder: String) throws(FileError) -> FolderIdentity? { nil }
    package func realPath(_ path: String) throws(FileError) -> String { path }
    package func moveAside(_ path: String, to target: String) throws(FileError) -> Bool {
        guard let status = try status(path), !status.isFile else { return false }
        try rename(path, to: target)
        return true
    }
    package func open(_ path: String) throws(FileError) -> (any OpenedFile)? {
        guard try status(path) != nil else { return nil }
        return BytesInMemory(bytes: try read(path, limit: .max))
    }
    package func note(_ bytes: [UInt8], at path: String) throws(FileError) {}
    package func restoreAccess(_ path: String) {}
    package func resolved(_ folder: String) -> String? { folder }
}

/// An open file; closed when the value goes.
package protocol OpenedFile: Sendable {
    var count: Int64 { get }
    /// The next bytes at or behind `offset` that are on the disk, and do not lie in a hole; nil when there are none. Where
    /// nobody can tell, all of them.
    func data(from offset: Int64) -> Range<Int64>?
    /// Fills `buffer[start...]` from `offset` on.
    ///
    /// - Returns: how many bytes there were: fewer at the end of the file.
    func read(at offset: Int64, into buffer: inout [UInt8], from start: Int) throws(FileError) -> Int
}

extension OpenedFile {
    package func data(from offset: Int64) -> Range<Int64>? { offset < count ? offset..<count : nil }
}

private struct BytesInMemory: OpenedFile {
    let bytes: [UInt8]
    var count: Int64 { Int64(bytes.count) }

    func read(at offset: Int64, into buffer: inout [UInt8], from start: Int) throws(FileError) -> Int {
        guard offset >= 0, offset < count else { return 0 }
        let taken = min(bytes.count - Int(offset), buffer.count - start)
        buffer.replaceSubrange(start..<start + taken, with: bytes[Int(offset)..<Int(offset) + taken])
        return taken
    }
}

/// A lock on a file; it ends with the value, or before.
package protocol FileLock: Sendable {
    func unlock()
}

/// A folder, whatever it is called.
package struct FolderIdentity: Sendable, Equatable {
    var device: UInt64
    var inode: UInt64
}

/// A failed call.
package struct FileError: Error, Sendable, Equatable {
    /// `errno`.
    package var number: Int32

    package init(_ number: Int32) { self.number = number }
}

/// What `lstat` says, as far as anybody here asks.
package struct FileStatus: Sendable, Equatable {
    package var bytes: Int64
    /// Nanoseconds since the epoch.
    package var modifiedAt: Int64
    package var inode: UInt64
    package var isFile: Bool
    package var isFolder: Bool
    package var isLink: Bool
    /// Of the disk, in whole blocks.
    package var takenBytes: Int64
    /// Which file system has it.
    package var device: UInt64 = 0

    /// - Parameter takenBytes: nil: as many blocks as the file has bytes for.
    package init(
        bytes: Int64, modifiedAt: Int64, inode: UInt64, isFile: Bool, isFolder: Bool, isLink: Bool = false,
        takenBytes: Int64? = nil
    ) {
        self.takenBytes = takenBytes ?? FileBlocks.atMost(bytes)
        self.bytes = bytes
        self.modifiedAt = modifiedAt
        self.inode = inode
        self.isFile = isFile
        self.isFolder = isFolder
        self.isLink = isLink
    }
}
