#if canImport(Glibc)
    import Glibc
#endif

/// The node's folder: where everything is, and that only one process uses it.
///
/// ```
/// LOCK                      flock, with the holder's process id
/// summary                   which tenants have work (NodeSummary)
/// ballast                   space to give back on a full disk (Ballast)
/// sequences/<tenant>        the sequence reserved outside the database (HighWaterMark)
/// tenants/<tenant>/spool.db the spool, with -wal and -shm while it is open
/// ```
final class DataFolder: Sendable {
    let path: String
    private let lock: Int32

    /// Makes the folder when there is none, and takes its lock until the value goes.
    ///
    /// - Throws: `.unavailable`, naming the holder's process id, when another process has it.
    init(_ path: String) throws(SpoolError) {
        self.path = path
        umask(0o077)
        try Files.makeFolder(path)
        try Files.makeFolder(path + "/tenants")
        try Files.makeFolder(path + "/sequences")
        lock = try DataFolder.takeLock(path + "/LOCK")
    }

    deinit { close(lock) }

    /// Lets the next process have the folder: nothing in it may be touched any more.
    func unlock() { flock(lock, LOCK_UN) }

    /// The lock is the file's, not the name's: it is never unlinked, or two processes could hold two files.
    private static func takeLock(_ path: String) throws(SpoolError) -> Int32 {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Files.failure("open", path) }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let error = errno == EWOULDBLOCK ? held(file, path) : Files.failure("lock", path)
            close(file)
            throw error
        }
        do throws(SpoolError) {
            guard ftruncate(file, 0) == 0, lseek(file, 0, SEEK_SET) == 0 else { throw Files.failure("write", path) }
            try Files.write(Array("\(getpid())\n".utf8), to: file, path)
        } catch {
            // The lock holds without the number in it, also on a full disk: the next process only knows less.
            guard error.code == .full else {
                close(file)
                throw error
            }
        }
        return file
    }

    private static func held(_ file: Int32, _ path: String) -> SpoolError {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(file, &bytes, bytes.count, 0)
        let digits = bytes.prefix(max(0, count)).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let holder = digits.isEmpty ? "another process" : "process \(String(decoding: digits, as: UTF8.self))"
        return SpoolError(
            .unavailable,
            "the data folder \(Files.parent(of: path)) is in use by \(holder): stop it, or choose another data_dir")
    }

    // MARK: Paths

    var summary: String { path + "/summary" }
    var ballast: String { path + "/ballast" }
    func folder(of tenant: String) -> String { "\(path)/tenants/\(tenant)" }
    func spool(of tenant: String) -> String { "\(path)/tenants/\(tenant)/spool.db" }
    func sequences(of tenant: String) -> String { "\(path)/sequences/\(tenant)" }

    /// Tenants with a folder, configured or not.
    func tenants() -> [String] {
        Files.names(in: path + "/tenants").filter { name in
            do throws(SpoolError) {
                try TenantID.check(name)
                return true
            } catch {
                return false
            }
        }
    }
}
