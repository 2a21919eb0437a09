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
        var look = SpoolInspection(folder: "\(directory)/tenants/\(tenant)", tenant: tenant, files: files)
        let first =
            (try? HighWaterMark(path: "\(directory)/sequences/\(tenant)", files: files, wall: { 0 }).read()) ?? 1
        guard look.canLook() else { return look.remarks }
        look.lookAtFiles(wasUsed: first > 1)
        look.lookAtWhatIsLeft()
        if !openedElsewhere.isEmpty {
            look.add(
                .warning, "process \(openedElsewhere.map(String.init).joined(separator: ", ")) has its spool open",
                "A reader that stays keeps the log from being emptied: end it, and open spools with mode=ro only.")
        }
        if !isLive { look.lookInside(CommitMark(path: "\(directory)/sequences/\(tenant).last", files: files).read()) }
        return look.remarks
    }

    private let folder: String
    private let tenant: String
    private var remarks: [Remark] = []
    private var spool: String { folder + "/spool.db" }
    private let files: Files

    private init(folder: String, tenant: String, files: Files) {
        self.folder = folder
        self.tenant = tenant
        self.files = files
    }

    private mutating func add(_ severity: Severity, _ message: String, _ advice: String = "") {
        remarks.append(Remark(severity: severity, message: "\(tenant): \(message)", advice: advice))
    }

    /// A folder that does not let this user in says nothing of what is in it.
    private mutating func canLook() -> Bool {
        do throws(FileError) {
            guard try files.disk.status(folder) != nil else { return true }
            _ = try files.disk.names(in: folder)
            _ = try files.disk.status(spool)
            return true
        } catch {
            guard error.number == EACCES || error.number == EPERM else { return true }
            add(
                .error, "its folder \(folder) cannot be entered by this user",
                "Give it to the user the daemon runs as (chown -R USER \(folder)); requests of this tenant are answered with 503 until then."
            )
            return false
        }
    }

    private mutating func lookAtFiles(wasUsed: Bool) {
        let restarts =
            "The daemon sets it aside by itself and goes on with a fresh spool; what is lost gets a loss row."
        for part in ["", "-wal", "-shm"] {
            let name = "spool.db\(part)"
            guard let status = try? files.status(spool + part) else {
                if part.isEmpty, wasUsed {
                    add(
                        .error, "its spool is gone, and it had one",
                        "Put it back from a backup before the next start, if you have one. \(restarts)")
                }
                continue
            }
            if status.isLink, (try? files.disk.target(of: spool + part)) == nil {
                add(.error, "\(name) is a link that leads nowhere", "Mount the disk it leads to, or remove the link.")
            } else if !status.isFile, !status.isLink {
                add(.error, "\(name) is no file", "The daemon moves it aside, under a dated name, at its next start.")
            } else if !isUsable(spool + part) {
                add(
                    .error, "\(name) cannot be read and written by this user",
                    "Give it to the user the daemon runs as (chown USER \(spool)\(part)); requests of this tenant are answered with 503 until then."
                )
            }
        }
    }

    private func isUsable(_ path: String) -> Bool { (try? files.disk.open(path)) != nil }

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
            let connection = try Connection(path: spool, access: .readOnly, vfs: files.disk.vfs)
            defer { connection.close() }
            let text = try Statement("PRAGMA quick_check(1)", on: connection).first { $0.text(0) } ?? ""
            guard text == "ok" else {
                return add(
                    .error, "its spool is damaged: \(text)",
                    "The daemon finds it when it gets there, and carries over what is readable. Keep a copy if you can."
                )
            }
            let end = try connection.integer("SELECT next_position FROM spool") ?? 0
            if let mark, mark.nextPosition > end {
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
