#if canImport(Glibc)
    import Glibc
#endif

/// Small files and folders, with the fsyncs that make them stay. Never used on a database: only SQLite opens those.
struct Files: Sendable {
    /// On the machine's own disk.
    static let system = Files(SystemFileSystem())

    let disk: any FileSystem
    /// Raised when the node closes: whoever reads a long file then stops.
    let stop: StopFlag
    /// Names what is moved aside: nanoseconds since the epoch.
    let wall: @Sendable () -> Int64

    init(
        _ disk: any FileSystem, stop: StopFlag = StopFlag(),
        wall: @escaping @Sendable () -> Int64 = TimeSource.system.wall
    ) {
        self.disk = disk
        self.stop = stop
        self.wall = wall
    }

    /// Makes `path` and what is missing above it, mode 0700, and fsyncs the parent of each folder made, so that a power
    /// cut after the first acknowledgement cannot take the folder away (rule 21).
    ///
    /// Also of an empty folder that is there: whoever made it may have been killed, or told of an error, before the
    /// fsync. Nothing is put in one before that has succeeded.
    func makeFolder(_ path: String) throws(SpoolError) { try makeFolder(path, isParentThere: false) }

    /// - Parameter isParentThere: it was made, or found, a moment ago: a folder that is deleted, or a file system that takes no
    ///   folders, says ENOENT all the same.
    private func makeFolder(_ path: String, isParentThere: Bool) throws(SpoolError) {
        do throws(FileError) {
            try disk.makeFolder(path)
            return try disk.syncFolder(Files.parent(of: path))
        } catch {
            let parent = Files.parent(of: path)
            switch error.number {
            case EEXIST:
                guard isFolder(path) else { throw SpoolError(.unavailable, "\(path) is in the way: it is no folder") }
                try keepName(of: path)
            case ENOENT where isParentThere:
                throw SpoolError(
                    .unavailable, "cannot make the folder \(path)",
                    cause: "nothing can be made in \(parent): it was deleted, or takes no folders")
            case ENOENT where parent != path:
                try makeFolder(parent)
                try makeFolder(path, isParentThere: true)
            default: throw Files.failure("make the folder", path, error)
            }
        }
    }

    /// A parent that may not be read, or a file system that syncs no folders, says nothing against one that is there.
    private func keepName(of path: String) throws(SpoolError) {
        do throws(FileError) {
            guard try disk.names(in: path).isEmpty else { return }
            try disk.syncFolder(Files.parent(of: path))
        } catch {
            guard [EIO, ENOSPC, EDQUOT].contains(error.number) else { return }
            throw Files.failure("keep the folder", path, error)
        }
    }

    /// Where the file is when the name is a link to it, else the name itself: SQLite follows links, and has the log
    /// beside the file.
    func resolved(_ path: String) -> String {
        guard known(path)?.isLink == true else { return path }
        do throws(FileError) { return try disk.realPath(path) } catch { return path }
    }

    /// Moves what is no file (a folder, a pipe, a socket, a link to itself) from a place where only a file of ours can be,
    /// under a name that says when.
    ///
    /// - Parameter wall: nanoseconds since the epoch.
    /// - Returns: the name it has now, in the same folder; nil when nothing was in the way.
    /// - Throws: `.unavailable` for a link to what is not there: that may be on a disk that is not mounted.
    func clear(_ path: String, wall: Int64) throws(SpoolError) -> String? {
        guard let status = try status(path), !status.isFile else { return nil }
        var name = "\(path).in-the-way-\(UTC.name(wall))"
        var number = 2
        while try exists(name) {
            name = "\(path).in-the-way-\(UTC.name(wall)).\(number)"
            number += 1
        }
        do throws(FileError) { return try disk.moveAside(path, to: name) ? name : nil } catch {
            throw Files.failure(status.isLink ? "follow the link" : "move aside", path, error)
        }
    }

    /// The file's bytes, or nil when there is none.
    ///
    /// - Parameter longer: what a file of more than `limit` bytes is read as: none at all, for one of ours that cannot be so
    ///   long, is as damaged. nil: that is an error.
    /// - Throws: `.unavailable` when it cannot be read, or is longer than `limit` bytes.
    func read(_ path: String, limit: Int, longer: [UInt8]? = nil) throws(SpoolError) -> [UInt8]? {
        do throws(FileError) {
            return try disk.read(path, limit: limit)
        } catch {
            switch error.number {
            case ENOENT: return nil
            case EFBIG:
                guard let longer else { throw SpoolError(.unavailable, "\(path) is longer than \(limit) bytes") }
                return longer
            default: throw Files.failure("read", path, error)
            }
        }
    }

    /// Replaces the file as a whole: after a crash it holds the old bytes or the new ones. Durable on return.
    func replace(_ path: String, with bytes: [UInt8]) throws(SpoolError) {
        let temporary = path + ".new"
        if known(temporary)?.isFile == false { _ = try clear(temporary, wall: wall()) }
        do throws(FileError) {
            try disk.write(bytes, to: temporary)
            try disk.rename(temporary, to: path)
        } catch {
            // What is left of it is written over the next time.
            do throws(FileError) { try disk.remove(temporary) } catch {}
            throw Files.failure("replace", path, error)
        }
        try syncFolder(Files.parent(of: path))
    }

    private static let attempts = 5

    /// Reads again what the disk failed to give: EIO may pass, and some have no later turn.
    static func patiently<Result>(_ read: () throws(FileError) -> Result) throws(FileError) -> Result {
        for _ in 1..<attempts {
            do throws(FileError) { return try read() } catch { guard error.number == EIO else { throw error } }
        }
        return try read()
    }

    func syncFolder(_ path: String) throws(SpoolError) {
        do throws(FileError) { try disk.syncFolder(path) } catch {
            throw Files.failure("sync the folder", path, error)
        }
    }

    /// Renames within one folder, durably.
    func rename(_ path: String, to target: String) throws(SpoolError) {
        do throws(FileError) { try disk.rename(path, to: target) } catch {
            throw Files.failure("rename", path, error)
        }
        try syncFolder(Files.parent(of: target))
    }

    /// Removes a file, durably.
    func remove(_ path: String) throws(SpoolError) {
        do throws(FileError) { try disk.remove(path) } catch { throw Files.failure("remove", path, error) }
        try syncFolder(Files.parent(of: path))
    }

    /// What `lstat` says, or nil when there is no such file.
    ///
    /// - Throws: `.unavailable` when that cannot be told: a disk that does not answer is not one without the file.
    func status(_ path: String) throws(SpoolError) -> FileStatus? {
        do throws(FileError) { return try disk.status(path) } catch { throw Files.failure("look at", path, error) }
    }

    func exists(_ path: String) throws(SpoolError) -> Bool { try status(path) != nil }

    /// False only when it is known that there is no such file.
    func mayExist(_ path: String) -> Bool {
        do throws(FileError) { return try disk.status(path) != nil } catch { return true }
    }

    /// Bytes in the file; 0 without one, or when nobody can tell.
    func size(_ path: String) -> Int64 { known(path)?.bytes ?? 0 }

    private func isFolder(_ path: String) -> Bool { known(path)?.isFolder ?? false }

    /// nil without one, or when nobody can tell.
    func known(_ path: String) -> FileStatus? {
        do throws(FileError) { return try disk.status(path) } catch { return nil }
    }

    /// Names in a folder, without `.` and `..`; empty when it cannot be read.
    func names(in path: String) -> [String] {
        do throws(FileError) { return try disk.names(in: path) } catch { return [] }
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The store's error for a failed call.
    static func failure(_ operation: String, _ path: String, _ error: FileError) -> SpoolError {
        SpoolError(
            error.isDiskFull ? .full : .unavailable, "cannot \(operation) \(path)",
            cause: String(cString: strerror(error.number)))
    }
}
