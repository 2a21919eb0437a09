/// What a node that does not run has left behind, as its summary has it.
public struct LastStatuses: Sendable {
    public struct Entry: Sendable {
        public var status: SpoolStatus
        /// The spool has not changed since; else it was not closed, and more may have happened after the summary.
        public var isCurrent: Bool
    }
    public var entries: [Entry]
    /// When the summary was written: wall clock, nanoseconds since the epoch.
    public var writtenAt: Int64
}

extension WALStore {
    /// The spools of a node that does not run, without opening or locking any.
    ///
    /// - Returns: by tenant; nil without a summary that can be read.
    public static func lastStatuses(directory: String) -> LastStatuses? {
        let path = directory + "/summary"
        guard let summary = NodeSummary.read(path, on: .system) else { return nil }
        var writtenAt: Int64 = 0
        do throws(SpoolError) { writtenAt = try Files.system.status(path)?.modifiedAt ?? 0 } catch {}
        let entries = summary.entries.map { tenant, entry in
            let spool = "\(directory)/tenants/\(tenant)/spool.db"
            let isCurrent = entry.stamp != nil && entry.stamp == NodeSummary.Stamp(ofClosed: spool, on: .system)
            return LastStatuses.Entry(status: entry.status, isCurrent: isCurrent)
        }
        return LastStatuses(entries: entries.sorted { $0.status.tenant < $1.status.tenant }, writtenAt: writtenAt)
    }
}
