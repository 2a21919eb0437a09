/// One phase with one of those compared.
struct ComparePhaseRun {
    let options: CompareOptions
    let peer: BenchPeer

    func run(_ phase: ComparePhase) throws(BenchFailure) -> [CompareRow: Double] {
        let roundTrip = phase == .far ? options.roundTripMilliseconds : 0
        guard let sink = BenchSink(port: 0, roundTripMilliseconds: roundTrip) else {
            throw BenchFailure("no free port")
        }
        defer { sink.stop() }
        let process = try peer.start(
            sinkPort: sink.port, in: options.folder, linger: phase == .flash ? "1s" : "0s")
        defer { process.stop() }
        switch phase {
        case .outage: return try outage(process, sink)
        case .path: return try path(process, sink)
        case .far:
            let sent = try send(to: process, load())
            return [.farDrainPerSecond: try drain(sink, sent.samples)]
        case .steady: return try steady(process, sink)
        case .flash: return try flash(process, sink)
        case .idle: return try idle(process, sink)
        case .repack: return try repack(process, sink)
        }
    }

    private func outage(_ process: BenchProcess, _ sink: BenchSink) throws(BenchFailure) -> [CompareRow: Double] {
        let load = load()
        // What is there from the start (an empty database, space held in reserve) is not the samples' doing.
        pause(seconds: 2)
        let empty = DiskUsage.bytes(of: process.dataFolder)
        let before = try usage(process)
        let sent = try send(to: process, load)
        let after = try usage(process)
        let samples = Double(sent.samples)
        var figures: [CompareRow: Double] = [
            .idleResident: mebibytes(before.residentBytes),
            .ackedPerSecond: samples / sent.seconds,
            .ackP99: sent.latencyMilliseconds(0.99),
            .ingestCPU: (after.cpuSeconds - before.cpuSeconds) / samples * 1e6,
            .diskBytes: Double(DiskUsage.bytes(of: process.dataFolder) - empty) / samples,
            .ingestResident: mebibytes(after.peakResidentBytes),
        ]
        if let bytes = written(before, after) { figures[.writtenBytes] = Double(bytes) / samples }
        pause(seconds: 3)
        let pending = try usage(process)
        figures[.pendingResident] = mebibytes(pending.residentBytes)
        figures[.drainPerSecond] = try drain(sink, sent.samples)
        figures[.drainCPU] = (try usage(process).cpuSeconds - pending.cpuSeconds) / samples * 1e6
        return figures
    }

    private func path(_ process: BenchProcess, _ sink: BenchSink) throws(BenchFailure) -> [CompareRow: Double] {
        sink.open()
        let load = load()
        let before = try usage(process)
        let began = BenchClock.now
        let sent = try send(to: process, load)
        try sink.wait(for: sent.samples)
        let samples = Double(sent.samples)
        return [
            .pathCPU: (try usage(process).cpuSeconds - before.cpuSeconds) / samples * 1e6,
            .pathPerSecond: samples / (Double(sink.newestAt - began) / 1e9),
        ]
    }

    private func steady(_ process: BenchProcess, _ sink: BenchSink) throws(BenchFailure) -> [CompareRow: Double] {
        let (sent, before, after) = try sendSteadily(process, sink)
        let samples = Double(sent.samples)
        var figures: [CompareRow: Double] = [
            .steadyAckP50: sent.latencyMilliseconds(0.5),
            .steadyAckP99: sent.latencyMilliseconds(0.99),
            .steadyCPU: (after.cpuSeconds - before.cpuSeconds) / samples * 1e6,
        ]
        if let bytes = written(before, after) { figures[.steadyWrittenBytes] = Double(bytes) / samples }
        return figures
    }

    private func flash(_ process: BenchProcess, _ sink: BenchSink) throws(BenchFailure) -> [CompareRow: Double] {
        // Acks take a second: so that the rate is kept, no series comes twice meanwhile, and requests need not wait for a
        // connection.
        let (sent, before, after) = try sendSteadily(
            process, sink, series: 2 * options.rate,
            connections: min(90, 3 * options.rate / (2 * options.samplesPerRequest) + 1))
        return written(before, after).map { [.flashWrittenBytes: Double($0) / Double(sent.samples)] } ?? [:]
    }

    /// A steady load with the backend up, and everything that comes of it.
    private func sendSteadily(
        _ process: BenchProcess, _ sink: BenchSink, series: Int? = nil, connections: Int? = nil
    ) throws(BenchFailure) -> (SendResult, before: ProcessUsage, after: ProcessUsage) {
        sink.open()
        let series = series ?? options.series
        let load = load(scrapes: options.steadyScrapes(of: series), series: series)
        let before = try usage(process)
        let sent = try send(to: process, load, rate: options.rate, connections: connections)
        try sink.wait(for: sent.samples)
        // What settles the last requests is written too.
        pause(seconds: 1)
        return (sent, before, try usage(process))
    }

    /// Single points, each a while after the one before has arrived.
    private func idle(_ process: BenchProcess, _ sink: BenchSink) throws(BenchFailure) -> [CompareRow: Double] {
        sink.open()
        var generator = LoadGenerator(series: 1, samplesPerRequest: 1)
        var random = BenchRandom(seed: 1)
        guard let target = BenchTarget(process.url), var connection = BenchConnection(target) else {
            throw BenchFailure("\(peer.name) takes no connection")
        }
        var latencies: [Int64] = []
        for probe in 1...15 {
            // Of all lengths: a sender that works by the second is met at any moment of it.
            BenchClock.sleep(until: BenchClock.now + 200_000_000 + Int64(random.next() % 1_000_000_000))
            let body = generator.scrape(time: BenchClock.wallMilliseconds)[0]
            let status = connection.exchange(head: BenchConnection.head(target, bodyBytes: body.count), body: body)
            let acknowledged = BenchClock.now
            guard let status, (200..<300).contains(status) else {
                throw BenchFailure("\(peer.name) answered \(status.map { "\($0)" } ?? "nothing")")
            }
            try sink.wait(for: probe)
            latencies.append(sink.newestAt - acknowledged)
        }
        return [.idleLatency: Double(latencies.sorted()[latencies.count / 2]) / 1e6]
    }

    private func repack(_ process: BenchProcess, _ sink: BenchSink) throws(BenchFailure) -> [CompareRow: Double] {
        let sent = try send(to: process, load())
        guard let page = BenchTarget("http://127.0.0.1:\(process.port)/metrics") else { return [:] }
        var last = ""
        var lastChange = BenchClock.now
        // Done when it has begun and then merged nothing for a quarter of a minute; rows rest for ten seconds first.
        while BenchClock.now - lastChange < 15_000_000_000 || last.isEmpty {
            guard let text = BenchConnection.get(page)?.body else { throw BenchFailure("no /metrics") }
            let merged = ComparePhaseRun.metric("holdfast_repacked_points_total", in: text)
            if merged > 0, "\(merged)" != last {
                last = "\(merged)"
                lastChange = BenchClock.now
            }
            guard BenchClock.now - lastChange < 120_000_000_000 else { throw BenchFailure("nothing is repacked") }
            pause(seconds: 1)
        }
        let text = BenchConnection.get(page)?.body ?? ""
        // Free pages are reused before the file grows: they are nobody's.
        let used =
            ComparePhaseRun.metric("holdfast_spool_bytes", in: text)
            - ComparePhaseRun.metric("holdfast_spool_free_bytes", in: text)
        return [
            .repackedBytes: used / Double(sent.samples), .repackedDrainPerSecond: try drain(sink, sent.samples),
        ]
    }

    /// The sum of a metric over its labels, in the text form.
    static func metric(_ name: String, in page: String) -> Double {
        page.split(separator: "\n").filter { $0.hasPrefix(name + "{") || $0.hasPrefix(name + " ") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }

    // MARK: What phases have in common

    /// The same values at each call. Times lie ahead of the start of whoever gets them: an agent of Prometheus forwards
    /// nothing older than itself; and not by minutes, which its server would refuse.
    private func load(scrapes: Int? = nil, series: Int? = nil) -> BenchLoad {
        BenchLoad(
            scrapes: scrapes ?? options.scrapes, series: series ?? options.series,
            samplesPerRequest: options.samplesPerRequest,
            from: BenchClock.wallMilliseconds + 1000, step: 100)
    }

    private func send(
        to process: BenchProcess, _ load: BenchLoad, rate: Int = 0, connections: Int? = nil
    ) throws(BenchFailure) -> SendResult {
        guard let target = BenchTarget(process.url) else { throw BenchFailure("no target") }
        let sent = BenchSender(target: target, connections: connections ?? options.connections, rate: Double(rate))
            .send(load)
        // Figures of a load that was partly refused say nothing.
        guard sent.failures == 0 else {
            throw BenchFailure("\(peer.name) refused \(sent.failures) of \(sent.requests) requests: \(sent.refused)")
        }
        return sent
    }

    /// - Returns: samples a second, from the first to the last.
    private func drain(_ sink: BenchSink, _ samples: Int) throws(BenchFailure) -> Double {
        sink.open()
        try sink.wait(for: samples)
        // Of a load so small that it goes out at once there is no rate.
        return Double(sink.samples) / max(sink.seconds, 1e-3)
    }

    private func usage(_ process: BenchProcess) throws(BenchFailure) -> ProcessUsage {
        guard let usage = ProcessUsage(pid: process.pid) else { throw BenchFailure("\(peer.name) has ended") }
        return usage
    }

    private func written(_ before: ProcessUsage, _ after: ProcessUsage) -> Int? {
        before.writtenBytes.flatMap { first in after.writtenBytes.map { $0 - first } }
    }

    private func mebibytes(_ bytes: Int) -> Double { Double(bytes) / 1_048_576 }

    private func pause(seconds: Int64) { BenchClock.sleep(until: BenchClock.now + seconds * 1_000_000_000) }
}
