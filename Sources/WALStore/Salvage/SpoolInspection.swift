#if canImport(Glibc)
    import Glibc
#endif

/// A look at one tenant's folder from another process than the daemon: `holdfast doctor`. Nothing is written; a database
/// is opened read-only, and only when no daemon has it.
public struct SpoolInspection: Sendable {
    public enum Severity: Sendable { case fine, note, warning, error }
    public struct Remark: Sendable {
        public var severity: Severity
        public var message: String
        public var advice: String
        /// Of a file that belongs to another user than the data folder: who lists those says nothing new with it.
        public var isOfAStranger = false
    }

    /// Tenants with a folder, or with sequences that were given: also those whose spool is gone.
    public static func tenants(in directory: String) -> [String] {
        let files = Files.system
        let marks = files.names(in: directory + "/sequences").filter { !$0.contains(".") }
        return Set(files.names(in: directory + "/tenants") + marks).filter { name in
            do throws(SpoolError) {
                try TenantID.check(name)
                return true
            } catch { return false }
        }.sorted()
    }

    /// - Parameters:
    ///   - isLive: a daemon has the folder: its databases are not opened.
    ///   - openedElsewhere: processes beside the daemon that have the spool open.
    public static func look(
        at tenant: String, in directory: String, isLive: Bool, openedElsewhere: [Int]
    ) -> [Remark] {
        look(at: tenant, in: directory, .system, isLive: isLive, openedElsewhere: openedElsewhere)
    }

    static func look(
        at tenant: String, in directory: String, _ files: Files, isLive: Bool, openedElsewhere: [Int]
    ) -> [Remark] {
        let user = FolderUser(of: directory)
        var look = SpoolInspection(folder: "\(directory)/tenants/\(tenant)", tenant: tenant, files: files, user: user)
        // What is wrong with the folder is wrong with all that is in it: it is said once.
        guard look.isUsable(look.folder, .folder) else { return look.remarks }
        let marks = "\(directory)/sequences/\(tenant)"
        var wasUsed = false
        if look.isUsable(marks, .file) {
            wasUsed = (try? HighWaterMark(path: marks, files: files, wall: { 0 }).read()) ?? 1 > 1
        }
        let last = look.isUsable(marks + ".last", .file) ? CommitMark(path: marks + ".last", files: files) : nil
        var areNotesUsable = true
        for note in ["set-aside", "salvage", "restore"] where !look.isUsable("\(look.folder)/\(note)", .file) {
            areNotesUsable = false
        }
        let areFilesUsable = look.lookAtFiles(wasUsed: wasUsed)
        if areNotesUsable { look.lookAtWhatIsLeft() }
        if !openedElsewhere.isEmpty {
            look.add(
                .warning, "process \(openedElsewhere.map(String.init).joined(separator: ", ")) has its spool open",
                "A reader that stays keeps the log from being emptied: end it, and open spools with mode=ro only.")
        }
        if !isLive, areFilesUsable { look.lookInside(last?.read()) }
        return look.remarks
    }

    private let folder: String
    private let tenant: String
    private let user: FolderUser
    private var remarks: [Remark] = []
    private var spool: String { folder + "/spool.db" }
    private let files: Files

    private init(folder: String, tenant: String, files: Files, user: FolderUser) {
        self.folder = folder
        self.tenant = tenant
        self.user = user
        self.files = files
    }

    private mutating func add(_ severity: Severity, _ message: String, _ advice: String = "") {
        remarks.append(Remark(severity: severity, message: "\(tenant): \(message)", advice: advice))
    }

    /// Whether nothing keeps the daemon from it; else a remark says what does.
    private mutating func isUsable(_ path: String, _ kind: PathFault.Kind) -> Bool {
        guard let fault = PathFault.find(path, kind, for: user) else { return true }
        let effect = "This tenant's requests are answered with 503 until then."
        switch (fault.cause, kind) {
        case (.inTheWay, .file):
            let way = SpoolInspection.movedAside("when it next opens the spool")
            remarks.append(Remark(.warning, tenant: tenant, fault, way))
        case (.inTheWay, .folder):
            let way = "Move it away, and put the right one back before the daemon makes an empty one."
            remarks.append(Remark(.error, tenant: tenant, fault, way, effect))
        default: remarks.append(Remark(.error, tenant: tenant, fault, fault.advice, effect))
        }
        return false
    }

    /// - Returns: whether the database may be looked into; a remark says why not.
    private mutating func lookAtFiles(wasUsed: Bool) -> Bool {
        var areUsable = true
        for part in ["", "-wal", "-shm"] {
            guard let fault = PathFault.find(spool + part, .file, for: user) else { continue }
            areUsable = false
            let opening = "when it next opens the spool"
            switch fault.cause {
            case .inTheWay where part == "-shm", .brokenLink where part == "-shm":
                // It is made anew, and nothing is in it that lasts.
                remarks.append(Remark(.warning, tenant: tenant, fault, SpoolInspection.movedAside(opening)))
            case .inTheWay:
                remarks.append(Remark(.error, tenant: tenant, fault, SpoolInspection.movedAside(opening)))
            case .mode: remarks.append(Remark(.note, tenant: tenant, fault, "The daemon mends that \(opening)."))
            default: _ = isUsable(spool + part, .file)
            }
        }
        guard areUsable else { return false }
        if wasUsed, (try? files.exists(spool)) == false {
            add(
                .error, "its spool is gone, and it had one",
                "If it was moved, stop the daemon and put it back, with its -wal; else `holdfast restore` has it, if you made "
                    + "backups. The daemon goes on with a fresh spool, and what is lost gets a loss row.")
        }
        return true
    }

    private mutating func lookAtWhatIsLeft() {
        let left = SetAside.left(in: folder, files)
        if left.files > 0 {
            let names = files.names(in: folder).filter(SetAside.isLeft)
            add(
                .warning,
                "\(left.files) set aside: \(names.filter { !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") }.sorted().joined(separator: ", "))",
                "What could be read of a damaged spool was carried over, and loss rows tell the rest; one that a restore "
                    + "replaced is there whole. Remove them when nobody wants to look any more."
            )
        }
        if (try? files.exists("\(folder)/spool.db.restored")) == true {
            add(
                .warning, "a restore did not end",
                "The next start, or the next restore, ends it: the spool is then the restored one, or the former one.")
        }
        if (try? SalvageNote.read(folder, files)) != nil {
            add(
                .warning, "a salvage is under way",
                "It goes on while the daemon runs; delivery of this tenant waits for it. Do not remove what is set aside."
            )
        }
    }

    /// A database that nobody has open.
    private mutating func lookInside(_ mark: CommitMark.Value?) {
        // As the daemon does: where a link leads, the log is too.
        let spool = files.resolved(spool)
        guard let status = try? files.status(spool), status.isFile else { return }
        for part in ["", "-wal"] {
            guard let file = try? files.status(spool + part), file.bytes / 4 - (1 << 30) > file.takenBytes else {
                continue
            }
            add(
                .warning, "spool.db\(part) is \(file.bytes) bytes long, and takes \(file.takenBytes) of the disk",
                "Somebody made it longer. The daemon goes on with what is in it; the rest costs nothing.")
        }
        if let (whose, advice) = foreignVersion() { return add(.error, whose, advice) }
        let log = try? LogFrames(spool + "-wal", files)
        let hasLog = files.size(spool + "-wal") > 0
        if hasLog { add(.note, "its spool was not closed: the daemon was killed, or the power failed") }
        if let log, log.commitsBehindDamage > 0 {
            add(
                log.commitsBehindDamage > 1 ? .error : .note,
                "its log is damaged, and \(log.commitsBehindDamage) commits lie behind the damage",
                "The daemon carries over what is readable; one commit may only be what a power cut tore.")
        }
        do throws(SQLiteError) {
            // One that was closed is read as it is: else an empty log and its index would lie beside it, as if it had not been.
            let connection = try Connection(
                path: spool, access: .readOnly, vfs: files.disk.vfs, isImmutable: !hasLog)
            defer { connection.close() }
            let text = try Statement("PRAGMA quick_check(1)", on: connection).first { $0.text(0) } ?? ""
            guard text == "ok" else {
                return add(
                    .error, "its spool is damaged: \(text)",
                    "The daemon finds it when it gets there, and carries over what is readable. Keep a copy if you can."
                )
            }
            let owner = try Statement("SELECT tenant FROM spool", on: connection).first { $0.text(0) } ?? tenant
            guard owner == tenant else {
                return add(
                    .error, "its spool.db is the spool of tenant \(owner)",
                    "Put the right one there while the daemon is stopped; else the daemon moves this one aside, unwritten."
                )
            }
            let end = try connection.integer("SELECT next_position FROM spool") ?? 0
            // What lies behind damage that was named above is not cut: SQLite does not read on there, and the daemon does.
            if let mark, mark.nextPosition > end, log?.commitsBehindDamage ?? 0 == 0 {
                return add(
                    .error, "its log was cut or replaced: \(mark.nextPosition - end) points less than were committed",
                    "If the right spool.db-wal is somewhere, put it back before the next start.")
            }
            add(.fine, "its spool is sound")
        } catch {
            add(
                .error, "its spool cannot be read: \(error)",
                "The daemon carries over what is readable at its next start.")
        }
    }

    /// Whose file it is, when it is not one of ours or not one that this program can read.
    private func foreignVersion() -> (String, advice: String)? {
        var page = [UInt8](repeating: 0, count: 100)
        guard let file = try? files.disk.open(spool), (try? file.read(at: 0, into: &page, from: 0)) == 100,
            page.starts(with: "SQLite format 3\0".utf8)
        else { return nil }
        if Int64(RecordCells.bigEndian(page, 68)) != Connection.applicationID {
            return (
                "spool.db is another program's database",
                "Put the right file there; otherwise the daemon sets this one aside, unwritten, at its next start."
            )
        }
        let version = Int64(RecordCells.bigEndian(page, 60))
        guard version > Schema.current else { return nil }
        return (
            "its spool has schema version \(version), this program knows up to \(Schema.current)",
            "Start a Holdfast that knows schema version \(version): this one sets the spool aside, unwritten, and delivers nothing of it."
        )
    }
}
