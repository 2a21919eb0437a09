import CSQLite
import TestSupport

#if canImport(Glibc)
    import Glibc
#endif

/// One way in which the files of a spool go bad.
enum Damage: String, CaseIterable, Sendable {
    case flipInDatabase, flipInLog, zeroPage, zeroRun, garbleSector, swapPages, truncateDatabase, truncateLog
    case destroyHeader, removeLog, removeIndex, removeDatabase, removeAll, garbageIndex, garbageLog, staleLog,
        foreignLog
    case folder, folderAsLog, pipe, socket, linkLoop, anothersDatabase, garbage, laterSchema, modeZero, journal
    /// Moved to another disk, or some of it, and linked; or a link that leads to what is none of this spool's.
    case moved, movedWithoutLog, movedLog, linkedIndex, linkToText, linkToAnother
    /// Far longer than any disk, and hardly a block in it.
    case longDatabase, longLog, hollowDatabase
    /// Something in the places of the small files.
    case pipeAsSummary, folderAsSummary, pipeAsSequences, folderAsSequences, longSequences, pipeAsMark, pipeAsLock,
        folderAsLock, pipeAsBallast, pipeAsSalvageNote, pipeAsSetAsideNote, garbageAsSetAsideNote, pipesAsNewFiles
    /// A header of nonsense, and no word outside of how far sequences were given: the second not even in the summary.
    case headerWithoutSequences, headerWithoutMarks

    /// Does it to the files in `folder`; no handle of this process is open on them.
    ///
    /// - Parameter spare: files to take from: `stale-wal` (an older log of this spool), `foreign-wal` (another's).
    func apply(to folder: String, spare: String, _ random: inout SeededGenerator) {
        let (database, log, index) = (folder + "/spool.db", folder + "/spool.db-wal", folder + "/spool.db-shm")
        let node = folder + "/../.."
        let (sequences, mark) = ("\(node)/sequences/acme", "\(node)/sequences/acme.last")
        switch self {
        case .flipInDatabase: Damage.flip(database, &random)
        case .flipInLog: Damage.flip(log, &random)
        case .zeroPage: Damage.overwrite(database, page: Damage.page(database, &random)) { _ in 0 }
        case .zeroRun:
            let first = Damage.page(database, &random)
            for page in first..<first + 1 + Int(random.next() % 8) { Damage.overwrite(database, page: page) { _ in 0 } }
        case .garbleSector:
            let target = random.next() % 3 == 0 ? log : database
            let size = Damage.size(target)
            guard size > 512 else { return }
            let sector = Int(random.next() % UInt64(size / 512)) * 512
            Damage.write(target, at: sector, (0..<512).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        case .swapPages:
            let (first, second) = (Damage.page(database, &random), Damage.page(database, &random))
            let (one, two) = (Damage.read(database, first), Damage.read(database, second))
            Damage.write(database, at: first * 4096, two)
            Damage.write(database, at: second * 4096, one)
        case .truncateDatabase:
            truncate(database, off_t(random.next() % UInt64(max(1, Damage.size(database)))))
        case .truncateLog: truncate(log, off_t(random.next() % UInt64(max(1, Damage.size(log)))))
        case .destroyHeader:
            Damage.write(database, at: 0, (0..<4096).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        case .removeLog: unlink(log)
        case .removeIndex: unlink(index)
        case .removeDatabase: unlink(database)
        case .removeAll: for path in [database, log, index] { unlink(path) }
        case .garbageIndex: Damage.create(index, (0..<32768).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        case .garbageLog: Damage.create(log, (0..<9000).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        case .staleLog: rename(spare + "/stale-wal", log)
        case .foreignLog: rename(spare + "/foreign-wal", log)
        case .folder:
            unlink(database)
            mkdir(database, 0o700)
            Damage.create(database + "/something", [1])
        case .folderAsLog:
            unlink(log)
            mkdir(log, 0o700)
        case .pipe:
            unlink(database)
            mkfifo(database, 0o600)
        case .socket:
            unlink(database)
            Damage.bindSocket(database)
        case .linkLoop:
            unlink(database)
            symlink("spool.db", database)
        case .anothersDatabase:
            for path in [database, log, index] { unlink(path) }
            Damage.execute(database, "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')")
        case .garbage: Damage.create(database, (0..<20_000).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        case .laterSchema: Damage.execute(database, "PRAGMA user_version = 7")
        case .modeZero: for path in [database, log] { chmod(path, 0) }
        case .journal:
            Damage.create(database + "-journal", (0..<4000).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        case .moved: Damage.move(["", "-wal", "-shm"], of: database, to: spare)
        case .movedWithoutLog: Damage.move([""], of: database, to: spare)
        case .movedLog: Damage.move(["-wal"], of: database, to: spare)
        case .linkedIndex: Damage.move(["-shm"], of: database, to: spare)
        case .linkToText:
            unlink(database)
            Damage.create(spare + "/text", Array("mine".utf8))
            symlink(spare + "/text", database)
        case .linkToAnother:
            unlink(database)
            symlink("../other/spool.db", database)
        case .longDatabase: truncate(database, 60 << 30)
        case .longLog: truncate(log, 300 << 30)
        case .hollowDatabase:
            Damage.create(database, [])
            truncate(database, 300 << 30)
        case .pipeAsSummary: Damage.pipe(node + "/summary")
        case .folderAsSummary: Damage.folder(node + "/summary")
        case .pipeAsSequences: Damage.pipe(sequences)
        case .folderAsSequences: Damage.folder(sequences)
        case .longSequences: truncate(sequences, 1 << 30)
        case .pipeAsMark: Damage.pipe(mark)
        case .pipeAsLock: Damage.pipe(node + "/LOCK")
        case .folderAsLock: Damage.folder(node + "/LOCK")
        case .pipeAsBallast: Damage.pipe(node + "/ballast")
        case .pipeAsSalvageNote: Damage.pipe(folder + "/salvage")
        case .pipeAsSetAsideNote: Damage.pipe(folder + "/set-aside")
        case .garbageAsSetAsideNote: Damage.create(folder + "/set-aside", Array("nonsense".utf8))
        case .headerWithoutSequences, .headerWithoutMarks:
            Damage.destroyHeader.apply(to: folder, spare: spare, &random)
            unlink(sequences)
            if self == .headerWithoutMarks { for path in [mark, node + "/summary"] { unlink(path) } }
        case .pipesAsNewFiles: for path in [node + "/summary", sequences] { Damage.pipe(path + ".new") }
        }
    }

    /// Whether nothing may be lost by it: the points are all still in what is left.
    var keepsEverything: Bool {
        switch self {
        case .removeIndex, .garbageIndex, .modeZero, .journal: true
        case .moved, .movedWithoutLog, .movedLog, .linkedIndex, .longDatabase, .longLog: true
        case .pipeAsSummary, .folderAsSummary, .pipeAsSequences, .folderAsSequences, .longSequences, .pipeAsMark,
            .pipeAsLock, .folderAsLock, .pipeAsBallast, .pipeAsSalvageNote, .pipeAsSetAsideNote,
            .garbageAsSetAsideNote, .pipesAsNewFiles:
            true
        case .destroyHeader, .headerWithoutSequences, .headerWithoutMarks: true
        default: false
        }
    }

    /// Whether the spool is used where it is, as if nothing had happened to it.
    var needsNoSalvage: Bool {
        switch self {
        case .movedWithoutLog, .movedLog, .garbageAsSetAsideNote: false
        case .destroyHeader, .headerWithoutSequences, .headerWithoutMarks: false
        default: keepsEverything
        }
    }

    /// Whether it may cost rows that no damaged byte is in.
    var costsWhatIsSound: Bool {
        switch self {
        // Another program's, or a later version's, which nothing is taken from; and what leads to another tenant's.
        case .anothersDatabase, .laterSchema, .linkToAnother: true
        default: false
        }
    }

    private static func move(_ parts: [String], of database: String, to folder: String) {
        for part in parts where rename(database + part, folder + "/moved" + part) == 0 {
            if part.isEmpty || parts.count == 1 { symlink(folder + "/moved" + part, database + part) }
        }
    }

    private static func pipe(_ path: String) {
        unlink(path)
        mkfifo(path, 0o600)
    }

    private static func folder(_ path: String) {
        unlink(path)
        mkdir(path, 0o700)
        create(path + "/something", [1])
    }

    // MARK: Bytes

    private static func size(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    private static func page(_ path: String, _ random: inout SeededGenerator) -> Int {
        Int(random.next() % UInt64(max(1, size(path) / 4096)))
    }

    private static func flip(_ path: String, _ random: inout SeededGenerator) {
        let size = size(path)
        guard size > 0 else { return }
        let at = Int(random.next() % UInt64(size))
        let file = Glibc.open(path, O_RDWR)
        defer { close(file) }
        var byte: UInt8 = 0
        pread(file, &byte, 1, off_t(at))
        byte ^= 1 << UInt8(random.next() % 8)
        pwrite(file, &byte, 1, off_t(at))
    }

    private static func read(_ path: String, _ page: Int) -> [UInt8] {
        let file = Glibc.open(path, O_RDONLY)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        pread(file, &bytes, bytes.count, off_t(page * 4096))
        return bytes
    }

    private static func overwrite(_ path: String, page: Int, _ byte: (Int) -> UInt8) {
        guard (page + 1) * 4096 <= size(path) else { return }
        write(path, at: page * 4096, (0..<4096).map(byte))
    }

    private static func write(_ path: String, at offset: Int, _ bytes: [UInt8]) {
        let file = Glibc.open(path, O_RDWR)
        guard file >= 0 else { return }
        defer { close(file) }
        pwrite(file, bytes, bytes.count, off_t(offset))
    }

    private static func create(_ path: String, _ bytes: [UInt8]) {
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        pwrite(file, bytes, bytes.count, 0)
    }

    private static func execute(_ path: String, _ sql: String) {
        var handle: OpaquePointer?
        guard sqlite3_open(path, &handle) == SQLITE_OK else { return }
        defer { sqlite3_close(handle) }
        sqlite3_exec(handle, sql, nil, nil, nil)
    }

    private static func bindSocket(_ path: String) {
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            for (index, byte) in path.utf8.prefix(buffer.count - 1).enumerated() { buffer[index] = byte }
        }
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
