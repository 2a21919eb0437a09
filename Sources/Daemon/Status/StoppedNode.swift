import WALStore

/// What a node that does not run has left in its data folder: the summary it wrote when it closed its spools, or, after
/// a kill, a moment before. Nothing is opened and nothing is locked.
enum StoppedNode {
    /// nil when there is nothing to read.
    static func report(_ configuration: Configuration) -> StatusReport? {
        guard let last = WALStore.lastStatuses(directory: configuration.dataDirectory) else { return nil }
        let disk: DiskSpace?
        do throws(SpoolError) { disk = try DiskSpace.of(configuration.dataDirectory) } catch { disk = nil }
        var report = StatusReport(
            isRunning: false, configFile: configuration.file, dataDirectory: configuration.dataDirectory, disk: disk,
            tenants: last.entries.map { entry in
                var tenant = StatusReport.Tenant(entry.status, lanes: [], pointsIn: 0)
                tenant.isCurrent = entry.isCurrent
                return tenant
            })
        report.writtenAt = last.writtenAt
        return report
    }
}
