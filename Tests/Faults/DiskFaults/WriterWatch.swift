/// Holds a disk's calls against the rule that keeps SQLite's WAL-reset bug away: one connection writes a database and
/// its log, and a checkpoint never runs beside another write. <https://sqlite.org/wal.html#walreset>
struct WriterWatch {
    /// What broke the rule, a line each.
    private(set) var breaches: [String] = []
    /// Writes seen, by path.
    private(set) var writes: [String: Int] = [:]

    private struct Writer: Equatable {
        var handle: Int
        var thread: UInt64
    }
    private var writers: [String: Writer] = [:]
    /// Logs with writes that no sync has followed yet.
    private var dirtyLogs: [String: Writer] = [:]

    /// Whether a spool keeps its thread for life: then what another thread does is another connection's. Where threads
    /// take turns, they do so between two commits, never inside one.
    private let isOnOneThread: Bool

    /// Logs with frames that no sync has followed yet. What a sync in the middle of a frame leaves of it is written after the
    /// sync: with sectors that may tear, a commit ends so (`psow=0`).
    private var openCommits: [String: Writer] = [:]

    private static let changes: Set<DiskCall.Kind> = [.write, .truncate, .sync]

    init(_ trace: [DiskCall], isOnOneThread: Bool = true) {
        self.isOnOneThread = isOnOneThread
        for call in trace where WriterWatch.changes.contains(call.kind) {
            if call.path.hasSuffix("/spool.db") || call.path.hasSuffix("/spool.db-wal") { note(call) }
        }
        for (log, writer) in writers where isOnOneThread && log.hasSuffix("-wal") {
            let database = String(log.dropLast("-wal".count))
            if let other = writers[database], other.thread != writer.thread {
                breaches.append("\(database) and its log are written by two threads")
            }
        }
    }

    /// Whether a frame of a log, or the log itself, begins there. <https://sqlite.org/fileformat2.html#walformat>
    private static func isFrame(_ call: DiskCall) -> Bool {
        call.offset == 0 || (call.offset - 32).isMultiple(of: 24 + 4096)
    }

    private mutating func note(_ call: DiskCall) {
        let writer = Writer(handle: call.handle, thread: call.thread)
        if let former = writers[call.path], former.handle != writer.handle || (isOnOneThread && former != writer) {
            breaches.append(
                "\(call): before by #\(former.handle)\(former.thread == writer.thread ? "" : ", on another thread")")
        }
        writers[call.path] = writer
        if call.kind == .write { writes[call.path, default: 0] += 1 }
        if call.path.hasSuffix("-wal") {
            if let logger = openCommits[call.path], logger.thread != writer.thread {
                breaches.append("\(call): in the middle of another thread's commit")
            }
            if call.kind != .write {
                openCommits[call.path] = nil
            } else if WriterWatch.isFrame(call) {
                openCommits[call.path] = writer
            }
            dirtyLogs[call.path] = call.kind == .write ? writer : nil
        } else if let logger = dirtyLogs[call.path + "-wal"] {
            breaches.append("\(call): a checkpoint while the log is being written by #\(logger.handle)")
        }
    }
}
