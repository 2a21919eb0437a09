import WALStore

/// What a node that does not run, or does not answer, has left in its data folder: the summary it wrote when it closed its
/// spools, or a moment before. No spool is opened, and nothing stays locked.
enum StoppedNode {
    /// nil when there is nothing to read.
    static func report(_ configuration: Configuration) -> StatusReport? {
        let lock = FolderLock.state(of: configuration.dataDirectory)
        let last = WALStore.lastStatuses(directory: configuration.dataDirectory)
        // Of a node that runs there is at least that to tell.
        if last == nil {
            guard case .held = lock else { return nil }
        }
        let disk: DiskSpace?
        do throws(SpoolError) { disk = try DiskSpace.of(configuration.dataDirectory) } catch { disk = nil }
        var report = StatusReport(
            isRunning: false, configFile: configuration.file, dataDirectory: configuration.dataDirectory, disk: disk,
            tenants: (last?.entries ?? []).map { entry in
                var tenant = StatusReport.Tenant(entry.status, lanes: [], pointsIn: 0)
                tenant.isCurrent = entry.isCurrent
                return tenant
            })
        report.writtenAt = last?.writtenAt
        if case .held(let process) = lock {
            report.silentProcess = process ?? 0
        }
        return report
    }
}
