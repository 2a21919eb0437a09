extension WALStore {
    /// The spools of a node that does not run, as it left them, without opening or locking any.
    ///
    /// - Returns: by tenant; nil without a summary. A spool that was not closed cleanly is left out: only opening it
    ///   would tell what it holds.
    public static func lastStatuses(directory: String) -> [SpoolStatus]? {
        guard let summary = NodeSummary.read(directory + "/summary", on: .system) else { return nil }
        return summary.entries.compactMap { tenant, entry in
            let path = "\(directory)/tenants/\(tenant)/spool.db"
            guard let stamp = entry.stamp, stamp == NodeSummary.Stamp(ofClosed: path, on: .system) else { return nil }
            return entry.status
        }.sorted { $0.tenant < $1.tenant }
    }
}
