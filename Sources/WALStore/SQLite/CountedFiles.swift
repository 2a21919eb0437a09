import CSQLite
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A layer between SQLite and the system's files: a file of a spool with an account grows only when the account says so,
/// before the write. A growth that is refused is a full disk to SQLite, which rolls the transaction back.
///
/// It also keeps apart what SQLite's own layer mixes up: a read that the disk failed is an input/output error here, not a
/// damaged file, and neither is one that breaks off inside the file (rule 19).
///
/// It lies over whatever VFS is the process's default when a database is opened. <https://sqlite.org/vfs.html>
enum CountedFiles {
    private typealias File = UnsafeMutablePointer<sqlite3_file>
    private typealias VFS = UnsafeMutablePointer<sqlite3_vfs>

    /// What stands before the lower layer's file.
    private struct Header {
        var file: sqlite3_file
        var kind: Kind
        var account: Unmanaged<SpaceAccount>?
        /// The file's path, SQLite's own: it stays as it is until the file is closed. <https://sqlite.org/c3ref/vfs.html>
        var name: UnsafePointer<CChar>?
    }
    fileprivate enum Kind { case database, log, journal, other }
    private static let headerBytes = (MemoryLayout<Header>.size + 15) & ~15

    /// The URI parameter that carries the account's id.
    static let parameter = "account"
    private static let pageBytes: Int64 = 4096
    /// <https://sqlite.org/fileformat2.html#walformat>
    private static let logHeaderBytes: Int64 = 32
    private static let frameHeaderBytes: Int64 = 24
    private static let indexRegionBytes: Int64 = 32 << 10

    // MARK: Registration

    private struct Layer: Sendable {
        var name: String
        /// Of the `sqlite3_vfs` below.
        var base: UInt
        var baseName: String
    }
    /// By the address of our `sqlite3_vfs`, which is kept for ever: there are few but in tests.
    private static let layers = Mutex<[UInt: Layer]>([:])

    /// The name of the layer over a VFS.
    ///
    /// - Parameter vfs: nil: the process's default.
    /// - Returns: nil when there is no such VFS.
    static func name(over vfs: String?) -> String? {
        guard let base = sqlite3_vfs_find(vfs), let rawName = base.pointee.zName else { return nil }
        let (address, baseName) = (UInt(bitPattern: base), String(cString: rawName))
        return layers.withLock { layers in
            if let known = layers.values.first(where: { $0.base == address && $0.baseName == baseName }) {
                return known.name
            }
            if layers.count >= 32 { forgetUnregistered(&layers) }
            count.add(1, ordering: .relaxed)
            let name = "holdfast-\(count.load(ordering: .relaxed))"
            guard let own = register(name, over: base) else { return nil }
            layers[own] = Layer(name: name, base: address, baseName: baseName)
            return name
        }
    }
    private static let count = Atomic(0)

    /// Layers over what is gone. Their structures are left: a connection may still be closing.
    private static func forgetUnregistered(_ layers: inout [UInt: Layer]) {
        for (own, layer) in layers where sqlite3_vfs_find(layer.baseName).map({ UInt(bitPattern: $0) }) != layer.base {
            layers[own] = nil
            if let vfs = VFS(bitPattern: own) { sqlite3_vfs_unregister(vfs) }
        }
    }

    private static func register(_ name: String, over base: VFS) -> UInt? {
        let vfs = VFS.allocate(capacity: 1)
        vfs.initialize(to: base.pointee)
        vfs.pointee.pNext = nil
        vfs.pointee.szOsFile = base.pointee.szOsFile + Int32(headerBytes)
        vfs.pointee.zName = UnsafePointer(copy(name))
        vfs.pointee.xOpen = { CountedFiles.open($0, $1, $2, $3, $4) }
        guard sqlite3_vfs_register(vfs, 0) == SQLITE_OK else { return nil }
        return UInt(bitPattern: vfs)
    }

    /// A C string that is never freed.
    private static func copy(_ text: String) -> UnsafeMutablePointer<CChar> {
        let bytes = Array(text.utf8CString)
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        copy.initialize(from: bytes, count: bytes.count)
        return copy
    }

    // MARK: Opening and closing

    private static func open(
        _ vfs: VFS?, _ name: sqlite3_filename?, _ file: UnsafeMutablePointer<sqlite3_file>?, _ flags: Int32,
        _ outFlags: UnsafeMutablePointer<Int32>?
    ) -> Int32 {
        guard let file, let layer = layers.withLock({ $0[UInt(bitPattern: vfs)] }),
            let base = VFS(bitPattern: layer.base)
        else { return SQLITE_MISUSE }
        file.pointee.pMethods = nil
        let code = base.pointee.xOpen(base, name, inner(file), flags, outFlags)
        guard code == SQLITE_OK else {
            // Some layers want to be closed even then.
            let below = inner(file)
            if let methods = below.pointee.pMethods { _ = methods.pointee.xClose(below) }
            return code
        }
        let kind = Kind(flags)
        let id = name.map { sqlite3_uri_int64($0, parameter, 0) } ?? 0
        let account = kind == .other || id == 0 ? nil : SpaceAccount.find(UInt64(id))
        let header = UnsafeMutableRawPointer(file).bindMemory(to: Header.self, capacity: 1)
        header.initialize(
            to: Header(
                file: sqlite3_file(pMethods: methods), kind: kind, account: account.map { Unmanaged.passRetained($0) },
                name: name))
        if account != nil { measure(file) }
        return code
    }

    private static func header(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafeMutablePointer<Header> {
        guard let file else { preconditionFailure("SQLite names the file it means") }
        return UnsafeMutableRawPointer(file).assumingMemoryBound(to: Header.self)
    }

    private static func inner(_ file: UnsafeMutablePointer<sqlite3_file>?) -> File {
        guard let file else { preconditionFailure("SQLite names the file it means") }
        return (UnsafeMutableRawPointer(file) + headerBytes).assumingMemoryBound(to: sqlite3_file.self)
    }

    // MARK: The index of the log

    /// MADV_POPULATE_WRITE, which Debian's headers lack. <https://man7.org/linux/man-pages/man2/madvise.2.html>
    private static let populateWrite: Int32 = 23

    /// Gives a piece of the mapped file its blocks. SQLite writes a byte of each 4 KiB, and where a file system has smaller
    /// blocks the rest are holes: on a full disk the first write into one ends the process (SIGBUS).
    ///
    /// - Returns: false where there is no room for them; a kernel that cannot do it (before 5.14) is believed.
    fileprivate static func isFilled(_ mapped: UnsafeMutableRawPointer, _ bytes: Int32) -> Bool {
        madvise(mapped, Int(bytes), populateWrite) == 0 || (errno != EFAULT && errno != ENOMEM && errno != ENOSPC)
    }

    // MARK: Growth

    private static func mayWrite(
        _ file: UnsafeMutablePointer<sqlite3_file>?, _ bytes: UnsafeRawPointer?, _ count: Int32, _ offset: Int64
    ) -> Bool {
        let header = header(file)
        guard let account = header.pointee.account else { return true }
        return account._withUnsafeGuaranteedRef { account in
            let end = offset + Int64(count)
            switch header.pointee.kind {
            case .database: return account.grow(.database, to: end)
            case .log:
                if let page = pageNumber(bytes, count, offset),
                    !account.promise(databaseBytes: page * pageBytes)
                {
                    return false
                }
                return account.grow(.log, to: end)
            // Only while the file is made, before there is a log.
            case .journal: return account.grow(.log, to: end)
            case .other: return true
            }
        }
    }

    /// The page that a frame's header speaks of; nil for other writes.
    private static func pageNumber(_ bytes: UnsafeRawPointer?, _ count: Int32, _ offset: Int64) -> Int64? {
        guard Int64(count) == frameHeaderBytes, let bytes,
            (offset - logHeaderBytes) % (frameHeaderBytes + pageBytes) == 0
        else { return nil }
        return Int64(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
    }

    private static func mayMap(
        _ file: UnsafeMutablePointer<sqlite3_file>?, _ region: Int32, _ bytes: Int32, _ extends: Int32
    ) -> Bool {
        guard extends != 0, let account = header(file).pointee.account else { return true }
        let end = (Int64(region) + 1) * max(indexRegionBytes, Int64(bytes))
        return account._withUnsafeGuaranteedRef { $0.grow(.index, to: end) }
    }

    /// At the beginning, and after a failed write: the file may be shorter than what it was granted.
    private static func measure(_ file: UnsafeMutablePointer<sqlite3_file>?) {
        var bytes: Int64 = 0
        let below = inner(file)
        guard below.pointee.pMethods.pointee.xFileSize(below, &bytes) == SQLITE_OK else { return }
        wasCut(file, bytes)
    }

    private static func wasCut(_ file: UnsafeMutablePointer<sqlite3_file>?, _ bytes: Int64) {
        let header = header(file)
        guard let account = header.pointee.account else { return }
        let path = header.pointee.name.map { String(cString: $0) }
        account._withUnsafeGuaranteedRef {
            $0.has(header.pointee.kind == .database ? .database : .log, bytes, at: path)
        }
    }

    // MARK: Reading

    /// `SQLITE_IOERR_READ`, `_SHORT_READ` and `_CORRUPTFS`, macros that Swift does not import.
    private static let readFailure = SQLITE_IOERR | (1 << 8)
    private static let shortRead = SQLITE_IOERR | (2 << 8)
    private static let corruptFileSystem = SQLITE_IOERR | (33 << 8)

    /// EIO comes out of SQLite's layer as a corrupt file system, which SQLite tells its callers as a damaged database
    /// (<https://sqlite.org/rescode.html#ioerr_corruptfs>), and what a short read left out counts as zeros, which is right
    /// only behind the end of the file.
    private static func read(
        _ file: UnsafeMutablePointer<sqlite3_file>?, _ bytes: UnsafeMutableRawPointer?, _ count: Int32, _ offset: Int64
    ) -> Int32 {
        let below = inner(file)
        let code = below.pointee.pMethods.pointee.xRead(below, bytes, count, offset)
        if code == corruptFileSystem { return readFailure }
        guard code == shortRead else { return code }
        var size: Int64 = 0
        guard below.pointee.pMethods.pointee.xFileSize(below, &size) == SQLITE_OK else { return readFailure }
        return size >= offset + Int64(count) ? readFailure : shortRead
    }

    // MARK: Methods

    private static var methods: UnsafePointer<sqlite3_io_methods>? { UnsafePointer(bitPattern: methodsAddress) }

    /// Version 2: no memory-mapped reads, which the spools do not use either.
    private static let methodsAddress: UInt = {
        var own = sqlite3_io_methods()
        own.iVersion = 2
        setPlain(&own)
        setLocks(&own)
        setGrowing(&own)
        let address = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        address.initialize(to: own)
        return UInt(bitPattern: address)
    }()

    /// What changes no length and no lock.
    private static func setPlain(_ own: inout sqlite3_io_methods) {
        own.xClose = { file in
            let below = CountedFiles.inner(file)
            let code = below.pointee.pMethods.pointee.xClose(below)
            CountedFiles.header(file).pointee.account?.release()
            CountedFiles.header(file).pointee.account = nil
            return code
        }
        own.xRead = { file, bytes, count, offset in
            CountedFiles.read(file, bytes, count, offset)
        }
        own.xSync = { file, flags in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xSync(below, flags)
        }
        own.xFileSize = { file, bytes in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xFileSize(below, bytes)
        }
        own.xFileControl = { file, operation, argument in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xFileControl(below, operation, argument)
        }
        own.xSectorSize = { file in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xSectorSize(below)
        }
        own.xDeviceCharacteristics = { file in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xDeviceCharacteristics(below)
        }
    }

    private static func setLocks(_ own: inout sqlite3_io_methods) {
        own.xLock = { file, level in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xLock(below, level)
        }
        own.xUnlock = { file, level in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xUnlock(below, level)
        }
        own.xCheckReservedLock = { file, result in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xCheckReservedLock(below, result)
        }
        own.xShmLock = { file, offset, count, flags in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xShmLock(below, offset, count, flags)
        }
        own.xShmBarrier = { file in
            let below = CountedFiles.inner(file)
            below.pointee.pMethods.pointee.xShmBarrier(below)
        }
        own.xShmUnmap = { file, deletes in
            let below = CountedFiles.inner(file)
            return below.pointee.pMethods.pointee.xShmUnmap(below, deletes)
        }
    }

    /// What asks the account first, or tells it.
    private static func setGrowing(_ own: inout sqlite3_io_methods) {
        own.xWrite = { file, bytes, count, offset in
            guard CountedFiles.mayWrite(file, bytes, count, offset) else { return SQLITE_FULL }
            let below = CountedFiles.inner(file)
            let code = below.pointee.pMethods.pointee.xWrite(below, bytes, count, offset)
            if code != SQLITE_OK { CountedFiles.measure(file) }
            return code
        }
        own.xTruncate = { file, bytes in
            let below = CountedFiles.inner(file)
            let code = below.pointee.pMethods.pointee.xTruncate(below, bytes)
            if code == SQLITE_OK { CountedFiles.wasCut(file, bytes) }
            return code
        }
        own.xShmMap = { file, region, bytes, extends, address in
            guard CountedFiles.mayMap(file, region, bytes, extends) else {
                address?.pointee = nil
                return SQLITE_FULL
            }
            let below = CountedFiles.inner(file)
            let code = below.pointee.pMethods.pointee.xShmMap(below, region, bytes, extends, address)
            guard code == SQLITE_OK, extends != 0, let mapped = address?.pointee else { return code }
            if CountedFiles.isFilled(mapped, bytes) { return code }
            // SQLite keeps what it is given, whatever is returned, and would write there without asking again.
            address?.pointee = nil
            return SQLITE_FULL
        }
    }
}

extension CountedFiles.Kind {
    fileprivate init(_ flags: Int32) {
        if flags & SQLITE_OPEN_MAIN_DB != 0 {
            self = .database
        } else if flags & SQLITE_OPEN_WAL != 0 {
            self = .log
        } else {
            self = flags & SQLITE_OPEN_MAIN_JOURNAL != 0 ? .journal : .other
        }
    }
}
