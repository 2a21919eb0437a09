#if canImport(Glibc)
    import Glibc
#endif

/// Small files and folders, with the fsyncs that make them stay. Never used on a database: only SQLite opens those.
enum Files {
    /// Makes `path` and what is missing above it, mode 0700, and fsyncs the parent of each folder made, so that a power
    /// cut after the first acknowledgement cannot take the folder away (`storage.md` 21).
    static func makeFolder(_ path: String) throws(SpoolError) {
        if mkdir(path, 0o700) == 0 { return try syncFolder(parent(of: path)) }
        switch errno {
        case EEXIST:
            guard isFolder(path) else { throw SpoolError(.unavailable, "\(path) is in the way: it is no folder") }
        case ENOENT where parent(of: path) != path:
            try makeFolder(parent(of: path))
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure("make the folder", path) }
            try syncFolder(parent(of: path))
        default: throw failure("make the folder", path)
        }
    }

    /// The file's bytes, or nil when there is none.
    ///
    /// - Throws: `.unavailable` when it cannot be read, or is longer than `limit` bytes.
    static func read(_ path: String, limit: Int) throws(SpoolError) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("read", path)
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw SpoolError(.unavailable, "\(path) is longer than \(limit) bytes") }
        }
    }

    /// Replaces the file as a whole: after a crash it holds the old bytes or the new ones. Durable on return.
    static func replace(_ path: String, with bytes: [UInt8]) throws(SpoolError) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure("write", temporary) }
        var isWritten = false
        defer { if !isWritten { unlink(temporary) } }
        do throws(SpoolError) {
            try write(bytes, to: file, temporary)
            guard fdatasync(file) == 0 else { throw failure("sync", temporary) }
        } catch {
            close(file)
            throw error
        }
        close(file)
        guard Glibc.rename(temporary, path) == 0 else { throw failure("replace", path) }
        isWritten = true
        try syncFolder(parent(of: path))
    }

    static func write(_ bytes: [UInt8], to file: Int32, _ path: String) throws(SpoolError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(file, buffer.baseAddress?.advanced(by: written), buffer.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write", path) }
            written += count
        }
    }

    static func syncFolder(_ path: String) throws(SpoolError) {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure("open the folder", path) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw failure("sync the folder", path) }
    }

    /// Renames within one folder, durably.
    static func rename(_ path: String, to target: String) throws(SpoolError) {
        guard Glibc.rename(path, target) == 0 else { throw failure("rename", path) }
        try syncFolder(parent(of: target))
    }

    /// What `stat` says, or nil when there is no such file.
    static func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    static func exists(_ path: String) -> Bool { status(path) != nil }
    static func size(_ path: String) -> Int64 { status(path).map { Int64($0.st_size) } ?? 0 }
    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in a folder, without `.` and `..`; empty when it cannot be read.
    static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The seam's error for a failed call, from `errno`.
    static func failure(_ operation: String, _ path: String) -> SpoolError {
        let number = errno
        let isFull = number == ENOSPC || number == EDQUOT
        return SpoolError(
            isFull ? .full : .unavailable, "cannot \(operation) \(path)", cause: String(cString: strerror(number)))
    }
}
