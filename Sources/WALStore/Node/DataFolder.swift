#if canImport(Glibc)
    import Glibc
#endif

/// The node's folder: where everything is, and that only one process uses it.
///
/// ```
/// LOCK                      flock, with the holder's process id, and `reader` below it when it only reads; the folder itself
///                           is locked too, so that nothing depends on that file being left where it is
/// summary                   which tenants have work (NodeSummary)
/// ballast                   space to give back on a full disk (Ballast)
/// chains                    which spools have a chain (ChainMemory)
/// sequences/<tenant>        the sequence reserved outside the database (HighWaterMark)
/// sequences/<tenant>.last   where its last commit ended (CommitMark)
/// tenants/<tenant>/spool.db the spool, with -wal and -shm while it is open
/// tenants/<tenant>/restore  a restore under way, with spool.db.restored (RestoreSwap)
/// ```
final class DataFolder: Sendable {
    let path: String
    let files: Files
    /// What stood in the place of a file of the node when the folder was taken, and where it is now.
    let moved: [(from: String, to: String)]
    /// What stood at `path` when it was taken.
    private let identity: FolderIdentity?
    /// Of the folder, and of `LOCK`.
    private let locks: [any FileLock]

    /// Makes the folder when there is none, and locks it until the value goes.
    ///
    /// - Parameter isReader: whoever finds the folder taken is told that it soon will not be.
    /// - Throws: `.unavailable`, naming the holder's process id, when another process has it.
    init(_ path: String, on files: Files = .system, isReader: Bool = false) throws(SpoolError) {
        self.path = path
        self.files = files
        umask(0o077)
        try files.makeFolder(path)
        let folderLock = try DataFolder.lockFolder(path, on: files)
        identity = try DataFolder.identity(path, on: files)
        try files.makeFolder(path + "/tenants")
        try files.makeFolder(path + "/sequences")
        var moved: [(from: String, to: String)] = []
        let wall = files.wall()
        if let name = try files.clear(path + "/LOCK", wall: wall) { moved.append((path + "/LOCK", name)) }
        let fileLock = try DataFolder.takeLock(path + "/LOCK", on: files, isReader: isReader)
        locks = [folderLock, fileLock].compactMap(\.self)
        for file in [path + "/summary", path + "/ballast", path + "/chains"] {
            // The node does without either; writing them says what is wrong.
            do throws(SpoolError) {
                if let name = try files.clear(file, wall: wall) { moved.append((file, name)) }
            } catch {}
        }
        self.moved = moved
    }

    /// Lets the next process have the folder: nothing in it may be touched any more.
    func unlock() { for lock in locks { lock.unlock() } }

    /// Moved away while it is ours, or with another one in its place: what is made at its path from then on would be nobody's
    /// spool, and what it holds would be forgotten.
    ///
    /// - Returns: nil when it is where it was, or that cannot be told.
    var fault: String? {
        guard let identity else { return nil }
        do throws(FileError) {
            if try files.disk.identity(of: path) == identity { return nil }
            return
                "another folder stands at \(path) than the one this node works in: put that back, or restart the node"
        } catch {
            guard error.number == ENOENT || error.number == ENOTDIR else { return nil }
            return
                "the data folder \(path) was moved away or deleted while the node runs: put it back, or restart the node"
        }
    }

    private static func identity(_ path: String, on files: Files) throws(SpoolError) -> FolderIdentity? {
        do throws(FileError) { return try files.disk.identity(of: path) } catch {
            throw Files.failure("look at", path, error)
        }
    }

    private static func lockFolder(_ path: String, on files: Files) throws(SpoolError) -> (any FileLock)? {
        do throws(FileError) { return try files.disk.lockFolder(path) } catch {
            throw error.number == EWOULDBLOCK
                ? held(path + "/LOCK", files) : Files.failure("lock the folder", path, error)
        }
    }

    private static func takeLock(
        _ path: String, on files: Files, isReader: Bool
    ) throws(SpoolError) -> any FileLock {
        do throws(FileError) {
            return try files.disk.lock(path, holder: Array("\(getpid())\n\(isReader ? "reader\n" : "")".utf8))
        } catch {
            throw error.number == EWOULDBLOCK ? held(path, files) : Files.failure("lock", path, error)
        }
    }

    private static func held(_ path: String, _ files: Files) -> SpoolError {
        var bytes: [UInt8] = []
        do throws(FileError) { bytes = try files.disk.read(path, limit: 4096) } catch {}
        let digits = bytes.prefix(20).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let holder = digits.isEmpty ? "another process" : "process \(String(decoding: digits, as: UTF8.self))"
        let isReader = String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst().first == "reader"
        let folder = "the data folder \(Files.parent(of: path))"
        var error = SpoolError(
            .unavailable,
            isReader
                ? "\(folder) is being read by \(holder), a command of holdfast such as dead or backup"
                : "\(folder) is in use by \(holder): stop it, or choose another data_dir")
        error.isHeldElsewhere = true
        error.isHeldByReader = isReader
        return error
    }

    // MARK: Paths

    var summary: String { path + "/summary" }
    var ballast: String { path + "/ballast" }
    var chains: String { DataFolder.chains(in: path) }
    static func chains(in path: String) -> String { path + "/chains" }
    func folder(of tenant: String) -> String { "\(path)/tenants/\(tenant)" }
    func setAside(of tenant: String) -> SetAside { SetAside(folder: folder(of: tenant), files: files) }
    func spool(of tenant: String) -> String { "\(path)/tenants/\(tenant)/spool.db" }
    func commits(of tenant: String) -> String { "\(path)/sequences/\(tenant).last" }
    func sequences(of tenant: String) -> String { "\(path)/sequences/\(tenant)" }

    /// Tenants with a folder, configured or not.
    func tenants() -> [String] {
        files.names(in: path + "/tenants").filter { name in
            do throws(SpoolError) {
                try TenantID.check(name)
                return true
            } catch {
                return false
            }
        }
    }
}
