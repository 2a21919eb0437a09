import TestSupport

#if canImport(Glibc)
    import Glibc
#endif

/// Looks at an archive's folder from outside.
enum ArchiveFiles {
    struct CallFailure: Error, CustomStringConvertible {
        var description: String
        init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
    }

    /// The archive's files, oldest first.
    static func names(_ folder: String) throws -> [String] {
        try entries(folder).filter { $0.hasSuffix(".ndjson") }.sorted()
    }

    static func content(_ folder: String) throws -> [UInt8] {
        try names(folder).flatMap { try bytes(of: "\(folder)/\($0)") }
    }

    /// How many of this process's descriptors point below `folder`.
    static func openDescriptors(below folder: String) throws -> Int {
        try entries("/proc/self/fd").count { entry in
            var target = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlink("/proc/self/fd/\(entry)", &target, target.count)
            guard count > 0 else { return false }
            return String(decoding: target.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
                .hasPrefix(folder + "/")
        }
    }

    /// Returns when no more than `count` of them do: an archive that was let go closes its files on a thread of its own, and
    /// only the kernel says when.
    static func closed(below folder: String, butFor count: Int = 0) async throws {
        while try openDescriptors(below: folder) > count { await Task.yield() }
    }

    private static func entries(_ folder: String) throws -> [String] {
        guard let listing = opendir(folder) else { throw CallFailure("opendir \(folder)") }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }

    private static func bytes(of path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw CallFailure("fopen \(path)") }
        defer { fclose(file) }
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { return all }
            all += buffer[..<count]
        }
    }
}

/// A file system of a few pages, gone with the value: the only honest way to a full disk.
final class SmallDisk {
    /// Mounting is for root, and not in every container.
    static let canBeMade: Bool = {
        guard let folder = try? TemporaryFolder(), let disk = try? SmallDisk(at: folder.path, bytes: 4096) else {
            return false
        }
        withExtendedLifetime(disk) {}
        return true
    }()

    let path: String

    init(at path: String, bytes: Int) throws {
        self.path = path
        mkdir(path, 0o700)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)") == 0 else { throw ArchiveFiles.CallFailure("mount") }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }

    func resize(bytes: Int) throws {
        guard mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT), "size=\(bytes)") == 0 else {
            throw ArchiveFiles.CallFailure("remount")
        }
    }

    /// Only while no file on it is open for writing.
    func setReadOnly(_ isReadOnly: Bool) throws {
        let flags = UInt(MS_REMOUNT) | (isReadOnly ? UInt(MS_RDONLY) : 0)
        guard mount("tmpfs", path, "tmpfs", flags, nil) == 0 else { throw ArchiveFiles.CallFailure("remount") }
    }
}
