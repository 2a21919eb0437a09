#if canImport(Glibc)
    import Glibc
#endif

/// A file system of a few mebibytes, in memory, that is really full when it is full; gone with the value. It takes the
/// right to mount.
public final class SmallFileSystem: Sendable {
    public struct MountError: Error, CustomStringConvertible {
        public var description: String
    }
    /// Mounting takes the right to.
    public static let canBeMade: Bool = {
        do {
            _ = try SmallFileSystem(bytes: 1 << 20)
            return true
        } catch {
            print("Tests on small file systems are left out: \(error)")
            return false
        }
    }()

    private let folder: TemporaryFolder
    public let path: String

    /// - Parameter inodes: how many files and folders there may be; nil: as the kernel likes.
    public init(bytes: Int, inodes: Int? = nil) throws {
        folder = try TemporaryFolder()
        path = folder.path + "/mount"
        mkdir(path, 0o700)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)" + (inodes.map { ",nr_inodes=\($0)" } ?? "")) == 0 else {
            throw MountError(
                description: "a tmpfs cannot be mounted (\(String(cString: strerror(errno)))): run the tests as root, "
                    + "in a container with CAP_SYS_ADMIN")
        }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }

    /// Makes files until there can be no more; `unlink` the paths to give their inodes back.
    public func useUpInodes() -> [String] {
        var paths: [String] = []
        while true {
            let target = "\(path)/inode-\(paths.count)"
            let file = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            guard file >= 0 else { return paths }
            close(file)
            paths.append(target)
        }
    }

    /// Takes what space there is but `spare` bytes; `unlink` the path to give it back.
    public func fill(_ name: String = "filler", spare: Int = 0) -> String {
        var status = statvfs()
        statvfs(path, &status)
        let target = "\(path)/\(name)"
        let file = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(file) }
        posix_fallocate(file, 0, max(1, Int(status.f_bavail) * Int(status.f_frsize) - spare))
        return target
    }
}
