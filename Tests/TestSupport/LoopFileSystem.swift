#if canImport(Glibc)
    import Glibc
#endif

/// An ext4 file system in a file, on a real block layer: its journal and its errors are the real ones. It takes root, loop
/// devices, mkfs.ext4 and mount(8). Unmounted and gone with the value.
public final class LoopFileSystem: Sendable {
    public struct Failure: Error, CustomStringConvertible { public var description: String }

    /// Whether one can be made here and made to fail.
    public static let canBeMade: Bool = {
        do {
            try LoopFileSystem().fail()
            return true
        } catch {
            print("Tests on an ext4 file system of their own are left out: \(error)")
            return false
        }
    }()

    private let folder: TemporaryFolder
    private var image: String { folder.path + "/image" }
    public var path: String { folder.path + "/mount" }

    public init(bytes: Int = 32 << 20) throws {
        folder = try TemporaryFolder()
        mkdir(folder.path + "/mount", 0o700)
        let file = open(folder.path + "/image", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(file) }
        guard ftruncate(file, off_t(bytes)) == 0 else { throw Failure(description: String(cString: strerror(errno))) }
        try run("/usr/sbin/mkfs.ext4", "-q", "-F", folder.path + "/image")
        try mount()
    }

    deinit { umount2(folder.path + "/mount", Int32(MNT_DETACH)) }

    public func mount() throws { try run("/usr/bin/mount", "-o", "loop", image, path) }

    /// Nobody may have a file open on it.
    public func unmount() throws { try run("/usr/bin/umount", path) }

    /// What ext4 does when it finds an error in its own structures: it writes nothing from then on, also for those who have
    /// files open for writing. <https://man7.org/linux/man-pages/man5/ext4.5.html>, `abort`
    public func fail() throws { try run("/usr/bin/mount", "-o", "remount,abort", path) }

    /// Checks and mends it while it is not mounted; fsck's 1 says that something was mended.
    public func check() throws {
        let result = try ChildProcess.run("/usr/sbin/fsck.ext4", ["-p", image])
        guard result.exit.status <= 1 else { throw Failure(description: "fsck: \(result.output)\(result.errors)") }
    }

    private func run(_ program: String, _ arguments: String...) throws {
        let result = try ChildProcess.run(program, arguments)
        guard result.exit == .exited(0) else { throw Failure(description: "\(program): \(result.errors)") }
    }
}
