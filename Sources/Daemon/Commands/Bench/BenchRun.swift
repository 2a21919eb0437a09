/// One benchmark: prepares the load, sends it, watches, and reports.
struct BenchRun {
    let options: BenchOptions
    /// Progress, for a person who waits.
    let say: (String) -> Void

    func run() throws(BenchFailure) -> BenchReport {
        guard let sink = BenchSink(port: options.sinkPort, roundTripMilliseconds: options.roundTripMilliseconds) else {
            throw BenchFailure("port \(options.sinkPort) for the sink is taken")
        }
        let node =
            options.url == nil ? try BenchPeer.own.start(sinkPort: sink.port, in: options.dataFolder ?? ".") : nil
        defer { node?.stop() }
        guard let target = BenchTarget(options.url ?? node?.url ?? "") else {
            throw BenchFailure("the URL must be http://HOST:PORT/PATH")
        }
        let watched = Watched(pid: options.pid ?? node?.pid, folder: node?.dataFolder ?? options.dataFolder)
        say("preparing \(options.scrapes) scrapes of \(options.series) series")
        // The newest scrape is now: a receiver refuses what lies ahead.
        let step = 15_000
        let load = BenchLoad(
            scrapes: options.scrapes, series: options.series, samplesPerRequest: options.samplesPerRequest,
            from: BenchClock.wallMilliseconds - Int64(options.scrapes * step), step: Int64(step))
        if options.kind == .path { sink.open() }

        say("sending \(load.total) samples over \(options.connections) connections to \(target.host):\(target.port)")
        // What is there from the start (an empty database, space held in reserve) is not the samples' doing.
        let emptyBytes = watched.folder.map { DiskUsage.bytes(of: $0) } ?? 0
        let before = watched.usage
        let sender = BenchSender(target: target, connections: options.connections, rate: options.rate)
        let sent = sender.send(load)
        guard sent.samples > 0 else {
            let hint = sent.refused[404] == nil ? "" : " (remote write is taken at http://HOST:PORT/api/v1/write)"
            throw BenchFailure("nothing was acknowledged; statuses: \(sent.refused)\(hint)")
        }
        let afterIngest = watched.usage

        var report = BenchReport(options: options, sent: sent)
        report.diskBytes = watched.folder.map { DiskUsage.bytes(of: $0) - emptyBytes }
        report.takeIngest(before, afterIngest)
        if options.kind == .deliver { sink.open() }
        if options.kind != .ingest {
            say("waiting for the backend to get \(sent.samples) samples")
            try sink.wait(for: sent.samples)
            report.takeDelivery(sink, before, afterIngest, watched.usage)
        }
        return report
    }

    private struct Watched {
        let pid: Int32?
        let folder: String?
        var usage: ProcessUsage? { pid.flatMap { ProcessUsage(pid: $0) } }
    }
}
