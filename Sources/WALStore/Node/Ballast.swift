#if canImport(Glibc)
    import Glibc
#endif

/// Space set aside while there is some, given back when the disk is full, so that settling can go on: a settle needs a
/// page of WAL before it can free anything (`storage.md` 19).
struct Ballast: Sendable {
    static let defaultBytes: Int64 = 16 << 20

    let path: String
    var bytes = Ballast.defaultBytes

    var isHeld: Bool { Files.size(path) >= bytes }

    /// Takes the space again; false when the disk has too little of it to spare.
    func restore() -> Bool {
        if isHeld { return true }
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        // Where a file system cannot preallocate, glibc writes a byte to each block.
        guard posix_fallocate(file, 0, off_t(bytes)) == 0, fsync(file) == 0 else {
            unlink(path)
            return false
        }
        return true
    }

    /// Gives the space back; false when there was none to give.
    func release() -> Bool {
        guard Files.size(path) > 0 else { return false }
        return unlink(path) == 0
    }
}
