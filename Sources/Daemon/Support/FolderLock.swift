import Glibc

/// Whether a daemon holds a data folder: asked with locks of our own that are given back at once, of the folder and of the
/// file that names the holder.
enum FolderLock: Equatable {
    /// No daemon has used the folder yet.
    case none
    case free
    /// By the process that it names.
    case held(process: Int?)
    /// It cannot be told, and why.
    case unknown(String)

    static func state(of folder: String) -> FolderLock {
        if isLocked(folder) { return .held(process: holder(of: folder)) }
        // What stands in its place must not make us wait for whoever is at its other end.
        let descriptor = open("\(folder)/LOCK", O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            return errno == ENOENT ? .none : .unknown(String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return .unknown("LOCK is no file")
        }
        guard flock(descriptor, LOCK_SH | LOCK_NB) != 0 else { return .free }
        return .held(process: holder(of: folder))
    }

    /// The folder itself, which stays locked when `LOCK` was deleted. A folder that cannot be locked is not held by that.
    private static func isLocked(_ folder: String) -> Bool {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    private static func holder(of folder: String) -> Int? {
        SystemFile.text("\(folder)/LOCK", limit: 64)?.split(separator: "\n").first.flatMap { Int($0) }
    }
}
