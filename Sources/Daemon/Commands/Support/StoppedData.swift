import Glibc

/// The data folder of a node that does not run, as commands that work in it find it.
enum StoppedData {
    /// Files that a command makes there belong to whoever runs it: the node could not open those of another user.
    static func checkOwner(_ directory: String) throws(CommandFailure) {
        var status = stat()
        guard stat(directory, &status) == 0, status.st_uid != geteuid() else { return }
        let owner = getpwuid(status.st_uid).map { String(cString: $0.pointee.pw_name) } ?? "user \(status.st_uid)"
        throw CommandFailure(
            "\(directory) belongs to \(owner), and so must what is made in it: run this as \(owner) (sudo -u \(owner) …)"
        )
    }

    /// Why this user cannot use `path`, where that is for want of rights; nil otherwise.
    ///
    /// - Parameter rights: of `R_OK`, `W_OK` and `X_OK`.
    static func refusal(_ path: String, _ rights: Int32) -> CommandFailure? {
        guard access(path, rights) != 0, errno == EACCES else { return nil }
        // What a closed folder hides does not say whose it is; that folder does.
        var (status, seen) = (stat(), path)
        while stat(seen, &status) != 0 {
            guard let slash = seen.lastIndex(of: "/"), slash > seen.startIndex else {
                return CommandFailure("you may not open \(path): run it as the user of the node")
            }
            seen = String(seen[..<slash])
        }
        let owner = getpwuid(status.st_uid).map { String(cString: $0.pointee.pw_name) } ?? "#\(status.st_uid)"
        return CommandFailure(
            "you may not open \(path): run it as the user of the node (\(seen) is \(owner)'s: sudo -u '\(owner)' …)")
    }

    /// The path as it is from anywhere.
    static func absolute(_ path: String) throws(CommandFailure) -> String {
        if path.hasPrefix("/") { return path }
        guard let here = getcwd(nil, 0) else {
            throw CommandFailure("the present folder is gone; name an absolute one")
        }
        defer { free(here) }
        let folder = String(cString: here)
        return folder == "/" ? "/\(path)" : "\(folder)/\(path)"
    }
}
