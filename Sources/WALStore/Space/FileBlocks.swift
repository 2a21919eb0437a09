/// What files take of a disk: blocks, not lengths.
enum FileBlocks {
    static let bytes: Int64 = 4096

    /// The most that a file of this length takes: its blocks, and what a file system with extents (ext4, 340 in a
    /// block) needs to find them when no two lie side by side.
    static func atMost(_ length: Int64) -> Int64 {
        guard length > 0 else { return 0 }
        let blocks = (length + bytes - 1) / bytes
        guard blocks > 4 else { return blocks * bytes }
        let leaves = (blocks + 339) / 340
        let inner = leaves > 4 ? (leaves + 339) / 340 : 0
        return (blocks + leaves + inner) * bytes
    }
}

/// What is taken now. Nothing is opened; what cannot be looked at counts as nothing.
extension Files {
    /// A file or folder, without what is in it; 0 when there is none.
    func taken(_ path: String) -> Int64 {
        do throws(FileError) { return try disk.status(path)?.takenBytes ?? 0 } catch { return 0 }
    }

    /// nil when there is no such file, or nobody can tell.
    func knownTaken(_ path: String) -> Int64? {
        do throws(FileError) { return try disk.status(path)?.takenBytes } catch { return nil }
    }

    /// A folder with all that is in it.
    ///
    /// - Parameter leavingOut: paths that are not looked at.
    func taken(byTree path: String, leavingOut: Set<String> = []) -> Int64 {
        let found: FileStatus?
        do throws(FileError) { found = try disk.status(path) } catch { found = nil }
        guard let found else { return 0 }
        guard found.isFolder else { return found.takenBytes }
        return names(in: path).reduce(found.takenBytes) { sum, name in
            let inner = "\(path)/\(name)"
            return leavingOut.contains(inner) ? sum : sum + taken(byTree: inner, leavingOut: leavingOut)
        }
    }

    /// What a tenant's folder takes, and what tells whether its closed spool has changed: two files looked at where nothing
    /// but a closed spool is in it, as in nearly all folders of a node with many tenants.
    func look(atTenant folder: String) -> TenantLook {
        let path = "\(folder)/spool.db"
        guard names(in: folder) == ["spool.db"], let spool = known(path), spool.isFile else {
            let taken = taken(ofTenant: folder)
            return TenantLook(spoolBytes: taken.spool, otherBytes: taken.others, closed: nil)
        }
        return TenantLook(
            spoolBytes: spool.takenBytes, otherBytes: taken(folder),
            closed: NodeSummary.Stamp(bytes: spool.bytes, modifiedAt: spool.modifiedAt, inode: spool.inode))
    }

    /// A tenant's folder: what its spool takes, and all else in it (spools set aside, the folder itself).
    func taken(ofTenant folder: String) -> (spool: Int64, others: Int64) {
        let parts = ["", "-wal", "-shm"]
        let (name, spool) = ("\(folder)/spool.db", resolved("\(folder)/spool.db"))
        let files = parts.map { spool + $0 }
        return (files.reduce(0) { $0 + taken($1) }, taken(byTree: folder, leavingOut: Set(files + [name])))
    }
}

/// What was seen of a tenant's folder before any spool was opened.
struct TenantLook: Sendable {
    var spoolBytes: Int64
    var otherBytes: Int64
    /// nil: the spool is not there, or not closed, or not alone, or somewhere else; it has to be asked for.
    var closed: NodeSummary.Stamp?
}
