import Glibc
import WALStore

/// Whether a node may make new names in its data folder. Not every call that needs the right comes at the start: the
/// summary is replaced later, and the admin socket is made when everything else works.
enum FolderRights {
    /// Says nothing of a folder that is not there, or of one on a file system that is read-only: whoever takes it meets that.
    ///
    /// - Throws: `.unavailable`, with what mends it, when this user may not write in the folder.
    static func check(_ path: String) throws(SpoolError) {
        // The kernel's word, which knows of access lists and capabilities; a mode does not.
        guard access(path, W_OK | X_OK) != 0, errno == EACCES else { return }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return }
        let mode = "mode 0" + String(status.st_mode & 0o777, radix: 8)
        let cause = String(cString: strerror(EACCES))
        guard status.st_uid != geteuid() else {
            throw SpoolError(
                .unavailable, "its owner may not write in it (\(mode)): chmod 0700 \(path)", cause: cause)
        }
        throw SpoolError(
            .unavailable,
            "it belongs to user \(status.st_uid) (\(mode)), and user \(geteuid()) may not write in it: "
                + "chown -R \(geteuid()) \(path)", cause: cause)
    }
}
