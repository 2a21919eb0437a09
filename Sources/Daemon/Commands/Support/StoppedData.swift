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
