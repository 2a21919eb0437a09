// Its headers define `timespec` too, and whose it is depends on what the compiler met first.
import CHTTPServer
import Glibc

/// One benchmark: prepares the load, sends it, watches, and reports.
struct BenchRun {
    let options: BenchOptions
    /// Progress, for a person who waits.
    let say: (String) -> Void

    func run() throws(BenchFailure) -> BenchReport {
        guard let sink = BenchSink(port: options.sinkPort, roundTripMilliseconds: options.roundTripMilliseconds) else {
            throw BenchFailure("port \(options.sinkPort) for the sink is taken")
        }
        let node = options.url == nil ? try BenchNode(sinkPort: sink.port, in: options.dataFolder ?? ".") : nil
        defer { node?.stop() }
        guard let target = BenchTarget(options.url ?? node?.url ?? "") else {
            throw BenchFailure("the URL must be http://HOST:PORT/PATH")
        }
        let watched = Watched(pid: options.pid ?? node?.pid, folder: node?.dataFolder ?? options.dataFolder)
        let load = prepare()
        if options.kind == .path { sink.open() }

        say("sending \(load.total) samples over \(options.connections) connections to \(target.host):\(target.port)")
        // What is there from the start (an empty database, space held in reserve) is not the samples' doing.
        let emptyBytes = watched.folder.map { DiskUsage.bytes(of: $0) } ?? 0
        let before = watched.usage
        let sender = BenchSender(target: target, connections: options.connections, rate: options.rate)
        let sent = sender.send(
            load.bodies, samples: load.samples, requestsPerScrape: load.bodies.count / options.scrapes)
        guard sent.samples > 0 else { throw BenchFailure("nothing was acknowledged; statuses: \(sent.refused)") }
        let afterIngest = watched.usage

        var report = BenchReport(options: options, sent: sent)
        report.diskBytes = watched.folder.map { DiskUsage.bytes(of: $0) - emptyBytes }
        report.takeIngest(before, afterIngest)
        if options.kind == .deliver { sink.open() }
        if options.kind != .ingest {
            say("waiting for the backend to get \(sent.samples) samples")
            try wait(for: sink, sent.samples)
            report.takeDelivery(sink, before, afterIngest, watched.usage)
        }
        return report
    }

    private func prepare() -> (bodies: [[UInt8]], samples: [Int], total: Int) {
        say("preparing \(options.scrapes) scrapes of \(options.series) series")
        var generator = LoadGenerator(series: options.series, samplesPerRequest: options.samplesPerRequest)
        var bodies: [[UInt8]] = []
        var samples: [Int] = []
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        // The newest scrape is now: a receiver refuses what lies ahead.
        let newest = Int64(time.tv_sec) * 1000
        for scrape in 0..<options.scrapes {
            let scraped = generator.scrape(time: newest - Int64(options.scrapes - scrape) * 15_000)
            bodies += scraped
            for index in scraped.indices {
                samples.append(min(options.samplesPerRequest, options.series - index * options.samplesPerRequest))
            }
        }
        return (bodies, samples, samples.reduce(0, +))
    }

    private func wait(for sink: BenchSink, _ samples: Int) throws(BenchFailure) {
        var last = 0
        var lastChange = BenchClock.now
        while sink.samples < samples {
            let now = BenchClock.now
            if sink.samples != last {
                last = sink.samples
                lastChange = now
            } else if now - lastChange > 90_000_000_000 {
                throw BenchFailure("the backend got \(last) of \(samples) samples and nothing for 90 s")
            }
            BenchClock.sleep(until: now + 5_000_000)
        }
    }

    private struct Watched {
        let pid: Int32?
        let folder: String?
        var usage: ProcessUsage? { pid.flatMap { ProcessUsage(pid: $0) } }
    }
}
