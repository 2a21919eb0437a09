/// The figures of one run, as text for people and as JSON for machines.
struct BenchReport {
    let options: BenchOptions
    let sent: SendResult
    var diskBytes: Int?
    private var ingestCPUSeconds: Double?
    private var writtenBytes: Int?
    private var residentBytes: Int?
    private var peakResidentBytes: Int?
    private var delivered: Int?
    private var deliverySeconds: Double?
    private var deliveryCPUSeconds: Double?
    private var wholeCPUSeconds: Double?

    init(options: BenchOptions, sent: SendResult) {
        self.options = options
        self.sent = sent
    }

    mutating func takeIngest(_ before: ProcessUsage?, _ after: ProcessUsage?) {
        guard let before, let after else { return }
        ingestCPUSeconds = after.cpuSeconds - before.cpuSeconds
        if let first = before.writtenBytes, let last = after.writtenBytes { writtenBytes = last - first }
        residentBytes = after.residentBytes
        peakResidentBytes = after.peakResidentBytes
    }

    mutating func takeDelivery(
        _ sink: BenchSink, _ before: ProcessUsage?, _ afterIngest: ProcessUsage?, _ after: ProcessUsage?
    ) {
        delivered = sink.samples
        deliverySeconds = sink.seconds
        guard let before, let afterIngest, let after else { return }
        deliveryCPUSeconds = after.cpuSeconds - afterIngest.cpuSeconds
        wholeCPUSeconds = after.cpuSeconds - before.cpuSeconds
        residentBytes = after.residentBytes
        peakResidentBytes = after.peakResidentBytes
    }

    /// Name, value, unit, in the order they are shown.
    private var figures: [(key: String, title: String, value: Double, unit: String)] {
        var all: [(key: String, title: String, value: Double, unit: String)] = []
        let millions = Double(sent.samples) / 1e6
        func add(_ key: String, _ title: String, _ value: Double?, _ unit: String) {
            if let value { all.append((key, title, value, unit)) }
        }
        add("acked_samples", "acknowledged", Double(sent.samples), "samples")
        add("acked_samples_per_second", "rate in", Double(sent.samples) / sent.seconds, "samples/s")
        add("failed_requests", "failed requests", Double(sent.failures), "")
        add("ack_p50_ms", "ack p50", sent.latencyMilliseconds(0.5), "ms")
        add("ack_p99_ms", "ack p99", sent.latencyMilliseconds(0.99), "ms")
        add("ack_max_ms", "ack max", sent.latencyMilliseconds(1), "ms")
        add("ingest_cpu_seconds_per_million", "CPU in", ingestCPUSeconds.map { $0 / millions }, "s per million samples")
        add("disk_bytes_per_sample", "on disk", diskBytes.map { Double($0) / Double(sent.samples) }, "B/sample")
        add(
            "written_bytes_per_sample", "written", writtenBytes.map { Double($0) / Double(sent.samples) }, "B/sample")
        add("delivered_samples", "delivered", delivered.map { Double($0) }, "samples")
        if let delivered, let deliverySeconds, deliverySeconds > 0 {
            add("delivered_samples_per_second", "rate out", Double(delivered) / deliverySeconds, "samples/s")
        }
        add(
            "delivery_cpu_seconds_per_million", "CPU out", deliveryCPUSeconds.map { $0 / millions },
            "s per million samples")
        add(
            "path_cpu_seconds_per_million", "CPU, whole path", wholeCPUSeconds.map { $0 / millions },
            "s per million samples")
        add("rss_mib", "RSS", residentBytes.map { Double($0) / 1_048_576 }, "MiB")
        add("rss_peak_mib", "RSS, peak", peakResidentBytes.map { Double($0) / 1_048_576 }, "MiB")
        return all
    }

    var text: String {
        var lines = ["bench \(options.kind.rawValue): \(options.scrapes) scrapes of \(options.series) series"]
        for figure in figures {
            let title = figure.title + String(repeating: " ", count: max(0, 18 - figure.title.count))
            lines.append("  \(title)\(BenchReport.short(figure.value)) \(figure.unit)")
        }
        return lines.joined(separator: "\n")
    }

    var json: String {
        let pairs = figures.map { "\"\($0.key)\":\(Int(exactly: $0.value).map(String.init) ?? "\($0.value)")" }
        return "{\"bench\":\"\(options.kind.rawValue)\",\"series\":\(options.series),\"scrapes\":\(options.scrapes),"
            + "\"connections\":\(options.connections)," + pairs.joined(separator: ",") + "}"
    }

    /// Whole above a hundred, three digits behind the point below.
    private static func short(_ value: Double) -> String {
        if value >= 100 || value == value.rounded() { return "\(Int(value.rounded()))" }
        return "\((value * 1000).rounded() / 1000)"
    }
}
