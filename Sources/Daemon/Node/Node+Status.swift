import Forwarder
import Metrics
import WALStore

extension Node {
    /// The node at this moment.
    func report() async -> StatusReport {
        var report = await reportOfSpools()
        report.disk = try? DiskSpace.of(configuration.dataDirectory)
        return report
    }

    /// For the rules of alerts. How full the file system is is not asked: the spools say what they measured. A spool whose disk does
    /// not answer is waited for once, some seconds.
    func alertLook() async -> AlertLook {
        AlertLook(
            await reportOfSpools(), lanes: forwarder.status(), folderFault: store.folderFault(),
            configRefusal: alerts.configRefusal)
    }

    /// Without what the file system has to say.
    private func reportOfSpools() async -> StatusReport {
        let configuration = configuration
        let lanes = Dictionary(grouping: forwarder.status(), by: \.tenant)
        let problems = store.problems()
        // Before the numbers: what is looked at meanwhile is newer than said, not older.
        let outdated = store.outdated()
        var tenants: [StatusReport.Tenant] = []
        let spools = await store.statuses()
        let stalls = store.stalls()
        for spool in spools {
            let pointsIn = telemetry.pointsPerSecond(tenant: spool.tenant)
            var tenant = StatusReport.Tenant(spool, lanes: lanes[spool.tenant] ?? [], pointsIn: pointsIn)
            if let reason = problems[spool.tenant] { tenant.cannotBeOpened(reason) }
            tenant.stalledSeconds = stalls[spool.tenant]
            tenant.isCurrent = !outdated.contains(spool.tenant) && tenant.stalledSeconds == nil
            tenants.append(tenant)
        }
        let uptime = Double(telemetry.time.wall() - telemetry.startedAt) / 1e9
        var report = StatusReport(
            isRunning: true, configFile: configuration.file, dataDirectory: configuration.dataDirectory,
            listen: listenText, uptimeSeconds: uptime,
            space: StatusReport.Space(
                usedBytes: store.nodeUsedBytes, maximumBytes: store.nodeMaximumBytes,
                secondsToFull: store.nodeSecondsToFull,
                repacked: store.repacked),
            tenants: tenants)
        report.longestWriteSeconds = store.longestWriteSeconds
        report.alerts = alerts.status
        return report
    }

    /// Where to send: with the port that is in use.
    var listenText: String {
        switch configuration.server.listen {
        case .tcp(let host, _): ListenAddress.tcp(host: host, port: port).description
        case .unix: configuration.server.listen.description
        }
    }
}

extension Telemetry {
    func ingested(_ record: IngestRecord) {
        ingested(
            tenant: record.tenant, source: record.source, status: record.status, points: record.storedPoints,
            refusals: record.refusals.map { ($0.key.rawValue, $0.value) }, bytes: record.bodyBytes,
            nanoseconds: record.nanoseconds)
    }
}
