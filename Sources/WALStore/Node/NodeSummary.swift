/// What the node knows of spools it has not opened: one small file, so that starting opens none of them and takes the
/// same time whatever their backlog (rule 18).
///
/// It is written now and then and at the end, never in the way of an acknowledgement, so an entry may be old. Each
/// carries the stamp its database had when the entry was made: another stamp, or a `-wal` left behind, says that the
/// entry is stale, and the spool is then opened in the background to make a new one.
struct NodeSummary: Sendable, Equatable {
    /// Tells two states of a database file apart without opening it.
    struct Stamp: Sendable, Equatable {
        var bytes: Int64
        var modifiedAt: Int64
        var inode: UInt64

        /// nil when there is no such file, a `-wal` beside it holds what it does not, or the disk does not say.
        init?(ofClosed path: String, on files: Files) {
            do throws(SpoolError) {
                let path = files.resolved(path)
                guard let status = try files.status(path), try !files.exists(path + "-wal") else { return nil }
                self.init(bytes: status.bytes, modifiedAt: status.modifiedAt, inode: status.inode)
            } catch {
                return nil
            }
        }

        init(bytes: Int64, modifiedAt: Int64, inode: UInt64) {
            self.bytes = bytes
            self.modifiedAt = modifiedAt
            self.inode = inode
        }
    }

    struct Entry: Sendable, Equatable {
        var status: SpoolStatus
        /// nil while the spool is open: whoever finds such an entry does not trust it.
        var stamp: Stamp?

        var hasWork: Bool { status.hasWork }
    }

    var entries: [String: Entry] = [:]

    /// Reads the file; nil when there is none or it is damaged: every spool is then looked at once.
    static func read(_ path: String, on files: Files) -> NodeSummary? {
        do throws(SpoolError) {
            guard let bytes = try files.read(path, limit: 256 << 20) else { return nil }
            return NodeSummary(decoding: bytes)
        } catch {
            return nil
        }
    }

    func write(_ path: String, on files: Files) throws(SpoolError) { try files.replace(path, with: encoded()) }
}

extension SpoolStatus {
    /// Whether a backend that is still configured is owed anything, or a replay runs.
    var hasWork: Bool { replays > 0 || backends.contains { !$0.isDetached && $0.pendingPoints > 0 } }

    /// What it takes of the budget: the file's pages in use, and its WAL.
    var usedBytes: Int64 { databaseBytes - freePageBytes + walBytes }
}
