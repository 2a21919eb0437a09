/// Space set aside while there is some, given back when the disk is full, so that settling can go on: a settle needs a
/// page of WAL before it can free anything (rule 19).
struct Ballast: Sendable {
    static let defaultBytes: Int64 = 16 << 20

    let path: String
    let files: Files
    var bytes = Ballast.defaultBytes

    /// How much there is beside a budget: it counts in it, and must not be all of a small one.
    static func bytes(within maximum: Int64) -> Int64 {
        min(defaultBytes, maximum / 8 / FileBlocks.bytes * FileBlocks.bytes)
    }

    /// By its blocks: a length alone keeps nothing free.
    var isHeld: Bool { files.taken(path) >= bytes }

    /// Takes the space again; false when the disk has too little of it to spare.
    func restore() -> Bool {
        if isHeld { return true }
        do throws(FileError) {
            try files.disk.reserve(bytes, at: path)
            return true
        } catch {
            _ = release()
            return false
        }
    }

    /// Gives the space back; false when there was none to give.
    func release() -> Bool {
        guard files.size(path) > 0 else { return false }
        do throws(FileError) {
            try files.disk.remove(path)
            return true
        } catch {
            return false
        }
    }
}
