import WALStore

/// What a node that does not run has left in its data folder: the summary it wrote when it closed its spools, so that
/// nothing is opened and nothing is locked.
enum StoppedNode {
    /// nil when there is nothing to read, or nothing that is still true.
    static func report(_ configuration: Configuration) -> StatusReport? {
        guard let spools = WALStore.lastStatuses(directory: configuration.dataDirectory) else { return nil }
        let disk: DiskSpace?
        do throws(SpoolError) { disk = try DiskSpace.of(configuration.dataDirectory) } catch { disk = nil }
        return StatusReport(
            isRunning: false, configFile: configuration.file, dataDirectory: configuration.dataDirectory, disk: disk,
            tenants: spools.map { StatusReport.Tenant($0, lanes: [], pointsIn: 0) })
    }
}
