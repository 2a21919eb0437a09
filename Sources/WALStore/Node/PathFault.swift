#if canImport(Glibc)
    import Glibc
#endif

/// As whom the daemon uses its folder: the user of this process or, when that is root, whoever owns the folder.
struct FolderUser: Sendable {
    let id: uid_t
    private let group: gid_t
    /// Whose the folder is; nil when nobody can tell.
    let folderOwner: uid_t?

    init(of directory: String) {
        var status = stat()
        let isKnown = stat(directory, &status) == 0
        folderOwner = isKnown ? status.st_uid : nil
        let looksInPlaceOfOwner = isKnown && geteuid() == 0
        id = looksInPlaceOfOwner ? status.st_uid : geteuid()
        group = looksInPlaceOfOwner ? status.st_gid : getegid()
    }

    /// - Parameter rights: of `R_OK`, `W_OK` and `X_OK`, which are the bits of a mode too.
    func has(_ rights: Int32, to path: String, _ status: stat) -> Bool {
        // The kernel's word, which knows of access lists; a read-only disk is another matter.
        if id == geteuid() { return access(path, rights) == 0 || errno != EACCES }
        let shift: mode_t = status.st_uid == id ? 6 : status.st_gid == group ? 3 : 0
        return id == 0 || Int32(status.st_mode >> shift & 7) & rights == rights
    }
}

/// Why the daemon cannot use a file or a folder, and what mends that. It is looked at by name only: nothing is opened, so
/// that a pipe blocks nobody, and no lock of SQLite's goes.
struct PathFault: Sendable, Equatable {
    enum Kind: String { case file, folder }
    enum Cause: Sendable, Equatable {
        /// Something else, or a link that leads to something else, has the name.
        case inTheWay
        /// A link to what is not there.
        case brokenLink
        /// Another user's. `isStranger`: another user's than the folder that all of it is in.
        case owner(isStranger: Bool)
        /// The user's own, with a mode that keeps even its owner out.
        case mode
        /// The disk, or a folder on the way, does not say.
        case unknown
    }
    var cause: Cause
    var message: String
    /// A command, or what to do; empty when the cause decides.
    var advice: String

    /// nil when nothing is wrong with it, or there is no such name.
    static func find(_ path: String, _ kind: Kind, for user: FolderUser) -> PathFault? {
        var (named, found) = (stat(), stat())
        guard lstat(path, &named) == 0 else {
            guard errno != ENOENT, errno != ENOTDIR else { return nil }
            return unknown(path, errno)
        }
        guard stat(path, &found) == 0 else {
            switch errno {
            case ELOOP: return PathFault(cause: .inTheWay, message: "\(path) is a link to itself", advice: "")
            case ENOENT, ENOTDIR:
                return PathFault(
                    cause: .brokenLink, message: "\(path) is a link that leads nowhere",
                    advice: "Mount the disk it leads to. Only when what was there is gone for good: remove the link.")
            default: return unknown(path, errno)
            }
        }
        let type = found.st_mode & S_IFMT
        guard type == (kind == .file ? S_IFREG : S_IFDIR) else {
            return PathFault(
                cause: .inTheWay, message: "\(path) is \(name(of: type)), not a \(kind.rawValue)", advice: "")
        }
        guard !user.has(kind == .file ? R_OK | W_OK : R_OK | W_OK | X_OK, to: path, found) else { return nil }
        let mode = "0" + String(found.st_mode & 0o777, radix: 8)
        let message = "\(path) belongs to user \(found.st_uid) (mode \(mode)): user \(user.id) may not use it"
        guard found.st_uid != user.id else {
            return PathFault(cause: .mode, message: message, advice: "chmod \(kind == .file ? "0600" : "0700") \(path)")
        }
        // Behind a link that is named in the command, `-R` alone changes nothing.
        let all = kind == .file ? "" : named.st_mode & S_IFMT == S_IFLNK ? "-RH " : "-R "
        let isStranger = user.folderOwner.map { named.st_uid != $0 } ?? false
        return PathFault(
            cause: .owner(isStranger: isStranger), message: message,
            advice: "If the daemon runs as user \(user.id): chown \(all)\(user.id) \(path)")
    }

    private static func unknown(_ path: String, _ number: Int32) -> PathFault {
        PathFault(
            cause: .unknown, message: "\(path) cannot be looked at: \(String(cString: strerror(number)))",
            advice: number == EACCES ? "Look as the user the daemon runs as, or as root." : "")
    }

    private static func name(of type: mode_t) -> String {
        switch type {
        case S_IFREG: "a file"
        case S_IFDIR: "a folder"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        default: "a device"
        }
    }
}
