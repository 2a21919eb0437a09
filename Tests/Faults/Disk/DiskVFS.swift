import CSQLite
import Synchronization
import TestSupport
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// One mount's disk as SQLite reaches it, registered under a name of its own. <https://sqlite.org/vfs.html>
///
/// It answers as SQLite's own VFS for Linux does (`os_unix.c`), its oddities included: EIO of a read is "corrupt", a
/// failed sync of a folder is not noticed, an empty file counts as none.
///
/// The salts of logs are by chance all the same: SQLite has one generator a process, which it seeds by the default VFS.
/// Nothing here depends on their values but the noise of a garbled sector that looks like a frame.
///
/// `@unchecked Sendable`: nothing changes after `init`; the disk has a lock.
final class DiskVFS: @unchecked Sendable {
    private static let count = Atomic<Int>(0)

    let disk: SimulatedDisk
    let life: Int
    let name: String
    private let raw: UnsafeMutablePointer<sqlite3_vfs>

    init(disk: SimulatedDisk, life: Int) {
        self.disk = disk
        self.life = life
        name = "simulated-disk-\(DiskVFS.count.add(1, ordering: .relaxed).newValue)"
        raw = .allocate(capacity: 1)
        var vfs = sqlite3_vfs()
        vfs.iVersion = 2
        vfs.szOsFile = Int32(MemoryLayout<DiskHandle.Record>.size)
        vfs.mxPathname = 512
        vfs.zName = UnsafePointer(strdup(name))
        vfs.xOpen = { vfs, name, file, flags, outFlags in DiskVFS.of(vfs).open(name, file, flags, outFlags) }
        vfs.xDelete = { vfs, name, syncsFolder in DiskVFS.of(vfs).delete(name, syncsFolder != 0) }
        vfs.xAccess = { vfs, name, flags, result in DiskVFS.of(vfs).access(name, flags, result) }
        vfs.xFullPathname = { _, name, count, target in
            guard let name, let target, strlen(name) < Int(count) else { return SQLITE_CANTOPEN }
            strcpy(target, name)
            return SQLITE_OK
        }
        vfs.xRandomness = { vfs, count, target in
            guard let target else { return 0 }
            var random = SeededGenerator(seed: DiskVFS.of(vfs).disk.seed)
            for index in 0..<Int(count) { target[index] = CChar(truncatingIfNeeded: random.next()) }
            return count
        }
        vfs.xSleep = { _, microseconds in
            usleep(UInt32(microseconds))
            return microseconds
        }
        vfs.xCurrentTime = { _, days in
            days?.pointee = 2_461_000.5
            return SQLITE_OK
        }
        vfs.xCurrentTimeInt64 = { _, milliseconds in
            milliseconds?.pointee = 2_461_000 * 86_400_000 + 43_200_000
            return SQLITE_OK
        }
        vfs.xGetLastError = { _, _, _ in EIO }
        raw.initialize(to: vfs)
        // Connections keep their mount, and the mount keeps this: nobody asks after it is gone.
        raw.pointee.pAppData = Unmanaged.passUnretained(self).toOpaque()
        StorageEngine.leaveMemoryUncounted()
        sqlite3_vfs_register(raw, 0)
    }

    /// The structure itself is left: SQLite may look at it while the last connection is going.
    deinit { unregister() }

    /// No connection finds it by its name any more; those that have it go on with it.
    func unregister() { sqlite3_vfs_unregister(raw) }

    private static func of(_ vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> DiskVFS {
        guard let data = vfs?.pointee.pAppData else { preconditionFailure("the VFS is one of ours") }
        return Unmanaged<DiskVFS>.fromOpaque(data).takeUnretainedValue()
    }

    // MARK: Calls by name

    private func open(
        _ name: sqlite3_filename?, _ target: UnsafeMutablePointer<sqlite3_file>?, _ flags: Int32,
        _ outFlags: UnsafeMutablePointer<Int32>?
    ) -> Int32 {
        target?.pointee.pMethods = nil
        // A temporary file: the store asks for none.
        guard let name, let target else { return SQLITE_CANTOPEN }
        let path = String(cString: name)
        let isPowersafe = sqlite3_uri_boolean(name, "psow", 1) != 0
        do throws(FileError) {
            let file = try disk.locked { (state) throws(FileError) in
                try openFile(path, mayCreate: flags & SQLITE_OPEN_CREATE != 0, state)
            }
            let isLog = flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL) != 0
            let handle = DiskHandle(
                vfs: self, file: file, path: path, number: disk.locked { $0.newHandle() },
                isPowersafe: flags & SQLITE_OPEN_MAIN_DB != 0 && isPowersafe,
                needsFolderSync: isLog && flags & SQLITE_OPEN_CREATE != 0)
            handle.attach(to: target)
            outFlags?.pointee = flags
            return SQLITE_OK
        } catch {
            return SQLITE_CANTOPEN
        }
    }

    private func openFile(_ path: String, mayCreate: Bool, _ state: DiskState) throws(FileError) -> DiskFile {
        if let file = state.file(path) {
            try state.perform(.open, path, life: life) {}
            return file
        }
        guard mayCreate, !state.isFolder(path) else { throw FileError(ENOENT) }
        try state.perform(.create, path, life: life, isGrowing: true) { () throws(FileError) in
            _ = try state.makeFile(path)
        }
        guard let file = state.file(path) else { throw FileError(ENOENT) }
        return file
    }

    private func delete(_ name: UnsafePointer<CChar>?, _ syncsFolder: Bool) -> Int32 {
        guard let name else { return SQLITE_MISUSE }
        let path = String(cString: name)
        return disk.locked { state in
            guard state.file(path) != nil else { return SQLiteCode.deleteNoEntry }
            do throws(FileError) {
                try state.perform(.remove, path, life: life) { () throws(FileError) in
                    let (folder, name) = try state.place(path)
                    folder.change([name: nil])
                }
            } catch {
                return SQLiteCode.delete
            }
            guard syncsFolder else { return SQLITE_OK }
            do throws(FileError) { try state.syncFolder(DiskVFS.parent(path), life: life) } catch {
                return SQLiteCode.folderSync
            }
            return SQLITE_OK
        }
    }

    private func access(_ name: UnsafePointer<CChar>?, _ flags: Int32, _ result: UnsafeMutablePointer<Int32>?) -> Int32
    {
        guard let name else { return SQLITE_MISUSE }
        let path = String(cString: name)
        result?.pointee = disk.locked { state in
            guard life == state.life, !state.isOff else { return 0 }
            if state.isFolder(path) { return 1 }
            return (state.file(path)?.content.isEmpty ?? true) ? 0 : 1
        }
        return SQLITE_OK
    }

    static func parent(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/"
    }
}

/// Extended codes, macros that Swift does not import. <https://sqlite.org/rescode.html#extrc>
enum SQLiteCode {
    static let shortRead = SQLITE_IOERR | (2 << 8)
    static let write = SQLITE_IOERR | (3 << 8)
    static let sync = SQLITE_IOERR | (4 << 8)
    static let folderSync = SQLITE_IOERR | (5 << 8)
    static let truncate = SQLITE_IOERR | (6 << 8)
    static let delete = SQLITE_IOERR | (10 << 8)
    static let sharedMemorySize = SQLITE_IOERR | (19 << 8)
    static let deleteNoEntry = SQLITE_IOERR | (23 << 8)
    /// EIO of a read; SQLite tells its callers SQLITE_CORRUPT.
    static let corruptFileSystem = SQLITE_IOERR | (33 << 8)
}
