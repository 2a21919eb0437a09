#if canImport(Glibc)
    import Glibc
#endif

/// A spool's file as a question opens it.
public struct AuditFile: Sendable {
    public var path: String
    /// Nobody writes it, and it has no log: nothing is locked, and nothing made beside it.
    public var isImmutable: Bool
    /// A node has it.
    private(set) var isLive = false
    /// Keeps a node from starting on the file while this is alive.
    private var folder: DataFolder?
    /// A copy that goes with this value.
    private var copy: AuditCopy?

    init(path: String, isImmutable: Bool) {
        self.path = path
        self.isImmutable = isImmutable
    }

    /// Of a tenant in a data folder.
    ///
    /// While a node has the folder its file is read beside it, as SQLite's own locks allow. Otherwise the folder is taken
    /// for reading as long as this value lives, and a file without a log is read as it lies.
    public static func of(tenant: String, in directory: String) throws(AuditError) -> AuditFile {
        var file = AuditFile(path: "\(directory)/tenants/\(tenant)/spool.db", isImmutable: false)
        do throws(SpoolError) {
            try TenantID.check(tenant)
            guard try Files.system.status(file.path)?.isFile == true else {
                throw SpoolError(.misuse, "there is no spool of a tenant \"\(tenant)\" in \(directory)")
            }
        } catch { throw AuditError(.unavailable, error.description) }
        do throws(SpoolError) {
            file.folder = try DataFolder(directory, isReader: true)
            file.isImmutable = Files.system.size(file.path + "-wal") == 0
        } catch {
            guard error.isHeldElsewhere else { throw AuditError(.unavailable, error.description) }
            file.isLive = true
        }
        return file
    }

    /// Of a copy that nobody writes.
    ///
    /// A log beside it is part of it. Where that cannot be read in its place, for want of the right to write there, it is
    /// read from a copy of both in a folder of its own.
    public static func copied(_ name: String) throws(AuditError) -> AuditFile {
        let path = Files.system.resolved(name)
        var file = AuditFile(path: path, isImmutable: true)
        do throws(SpoolError) {
            guard let status = try Files.system.status(path) else {
                throw SpoolError(.unavailable, "\(path) is not there")
            }
            guard status.isFile else { throw SpoolError(.unavailable, "\(path) is no file") }
            guard !isLive(path) else {
                throw SpoolError(.unavailable, "\(path) is in use by a node: ask with --tenant and --data-dir")
            }
            if Files.system.size(path + "-wal") == 0 { return file }
            file.isImmutable = false
            if access(Files.parent(of: path), W_OK) == 0 { return file }
            let copy = try AuditCopy(of: path)
            file.path = copy.path
            file.copy = copy
            return file
        } catch { throw AuditError(.unavailable, error.description) }
    }

    /// Whether it lies where a node that runs has its spools. Asked with a lock that is given back at once.
    private static func isLive(_ path: String) -> Bool {
        let folder = Files.parent(of: Files.parent(of: Files.parent(of: path)))
        for path in ["\(folder)/LOCK", folder] {
            let lock = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard lock >= 0 else { continue }
            defer { close(lock) }
            if flock(lock, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK { return true }
        }
        return false
    }

    /// Tenants that have a spool in a data folder, by name.
    public static func tenants(in directory: String) -> [String] {
        Files.system.names(in: "\(directory)/tenants").filter { name in
            do throws(SpoolError) { try TenantID.check(name) } catch { return false }
            return Files.system.known("\(directory)/tenants/\(name)/spool.db") != nil
        }.sorted()
    }
}
