#if canImport(Glibc)
    import Glibc
#endif

/// One file of an archive: `archive-<number>-<UTC time of its creation>.ndjson`. Numbers only rise: they, not the times,
/// say which is newer.
struct ArchiveFile: Sendable, Hashable {
    var number: Int64
    /// Seconds since the epoch.
    var createdAt: Int64
    var name: String
    var bytes = 0

    init(number: Int64, createdAt: Int64) {
        self.number = number
        self.createdAt = createdAt
        let digits = String(number)
        let padding = String(repeating: "0", count: max(0, 8 - digits.count))
        name = "archive-\(padding)\(digits)-\(createdAt).ndjson"
    }

    /// Nil for any other file: it is not ours, and stays untouched.
    init?(name: String) {
        guard name.hasPrefix("archive-"), name.hasSuffix(".ndjson") else { return nil }
        let parts = name.dropFirst(8).dropLast(7).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let number = Int64(parts[0]), number < .max, let createdAt = Int64(parts[1])
        else { return nil }
        self.number = number
        self.createdAt = createdAt
        self.name = name
    }
}

/// Calls on files, whose failures say what, where and why.
enum ArchiveCalls {
    static func failure(_ what: String, _ path: String, _ code: Int32 = errno) -> ArchiveError {
        ArchiveError(
            description: "\(what) \(path): \(String(cString: strerror(code)))", isFull: code == ENOSPC || code == EDQUOT
        )
    }

    /// Makes `path` and what is missing above it; each parent that got a new entry is fsynced.
    static func makeFolder(_ path: String) throws(ArchiveError) {
        if mkdir(path, 0o700) == 0 { return try syncFolder(parent(of: path)) }
        switch errno {
        case EEXIST: return
        case ENOENT where parent(of: path) != path:
            try makeFolder(parent(of: path))
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure("make the folder", path) }
            try syncFolder(parent(of: path))
        default: throw failure("make the folder", path)
        }
    }

    static func syncFolder(_ path: String) throws(ArchiveError) {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure("open the folder", path) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw failure("sync the folder", path) }
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The archive's files in `path`, oldest first.
    static func list(_ path: String) throws(ArchiveError) -> [ArchiveFile] {
        guard let folder = opendir(path) else { throw failure("list", path) }
        defer { closedir(folder) }
        var files: [ArchiveFile] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { name in
                String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard var file = ArchiveFile(name: name) else { continue }
            var status = stat()
            guard stat("\(path)/\(name)", &status) == 0 else { continue }
            file.bytes = Int(status.st_size)
            files.append(file)
        }
        return files.sorted { $0.number < $1.number }
    }

    /// Bytes of `range`, fewer at the file's end.
    static func read(_ file: Int32, _ range: Range<Int>, _ path: String) throws(ArchiveError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                pread(file, buffer.baseAddress?.advanced(by: done), buffer.count - done, range.lowerBound + done)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { break }
            done += count
        }
        bytes.removeLast(bytes.count - done)
        return bytes
    }

    static func write(_ bytes: UnsafeRawBufferPointer, to file: Int32, at offset: Int, _ path: String) -> ArchiveError?
    {
        var done = 0
        while done < bytes.count {
            let count = pwrite(file, bytes.baseAddress?.advanced(by: done), bytes.count - done, offset + done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return failure("write", path, count == 0 ? ENOSPC : errno) }
            done += count
        }
        return nil
    }
}
