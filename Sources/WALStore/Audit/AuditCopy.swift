#if canImport(Glibc)
    import Glibc
#endif

/// A copy of a database and its log in a folder of its own, for who may read them and not write beside them. It goes with
/// this value.
final class AuditCopy: Sendable {
    let path: String
    private let folder: String

    /// - Throws: `.unavailable`, or `.full`, for what cannot be copied; nothing of it stays.
    init(of original: String) throws(SpoolError) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/holdfast-sql-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Files.failure("make a folder in", parent, FileError(errno))
        }
        folder = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        path = folder + "/spool.db"
        // A log that grew behind its database's copy would be of another time: nobody writes either.
        for suffix in ["", "-wal"] { try AuditCopy.copy(original + suffix, to: path + suffix) }
    }

    deinit {
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        rmdir(folder)
    }

    private static func copy(_ source: String, to target: String) throws(SpoolError) {
        let from = open(source, O_RDONLY | O_CLOEXEC)
        guard from >= 0 else { throw Files.failure("read", source, FileError(errno)) }
        defer { close(from) }
        let to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard to >= 0 else { throw Files.failure("write", target, FileError(errno)) }
        defer { close(to) }
        while true {
            let count = sendfile(to, from, nil, 16 << 20)
            if count == 0 { return }
            guard count > 0 || errno == EINTR else { throw Files.failure("copy", source, FileError(errno)) }
        }
    }
}
