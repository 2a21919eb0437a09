import Glibc

/// Whether a daemon holds a data folder: asked with a lock of our own that is given back at once.
enum FolderLock: Equatable {
    /// No daemon has used the folder yet.
    case none
    case free
    /// By the process that it names.
    case held(process: Int?)
    /// It cannot be told, and why.
    case unknown(String)

    static func state(of folder: String) -> FolderLock {
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
        let holder = SystemFile.text("\(folder)/LOCK", limit: 64)?.split(separator: "\n").first
        return .held(process: holder.flatMap { Int($0) })
    }
}
