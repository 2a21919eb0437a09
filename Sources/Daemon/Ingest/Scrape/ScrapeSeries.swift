import Metrics

/// The series of one target from scrape to scrape: what is gone is ended with a stale marker, and the scrape itself is
/// told of. <https://prometheus.io/docs/concepts/jobs_instances/>
struct ScrapeSeries {
    struct Outcome: Sendable {
        var isUp: Bool
        var durationSeconds: Double
        var samples: Int
    }
    private let target: ScrapeTarget
    private var builder = LabelBuilder()
    /// The series of the last scrape that had the scrape's own time.
    private var alive = Batch()
    private var reports = SeriesTable()
    private var lastMetadata: [MetricMetadata] = []

    init(_ target: ScrapeTarget) { self.target = target }

    /// Makes a scrape complete.
    ///
    /// - Parameters:
    ///   - request: what the answer decoded to; empty when there was none.
    ///   - time: nanoseconds since the epoch, that of points without a time of their own.
    mutating func complete(_ request: inout DecodedRequest, _ outcome: Outcome, time: Int64) {
        var current = Batch()
        for ordinal in 0..<request.batch.points.count where request.batch.points.times[ordinal] == time {
            // A series with times of its own ends when its target says so: no marker for it.
            current.adopt(request.batch.points.series[ordinal], of: request.batch)
        }
        endSeries(missingIn: current, &request.batch, time)
        alive = current
        if request.batch.metadata == lastMetadata {
            // Metadata is news once: it is not stored again with every scrape.
            request.batch.metadata = []
        } else if !request.batch.metadata.isEmpty {
            lastMetadata = request.batch.metadata
        }
        report("up", outcome.isUp ? 1 : 0, &request.batch, time)
        report("scrape_duration_seconds", outcome.durationSeconds, &request.batch, time)
        report("scrape_samples_scraped", Double(outcome.samples), &request.batch, time)
    }

    /// The target is gone: all its series end, the ones about it included.
    mutating func farewell(time: Int64) -> DecodedRequest {
        var request = DecodedRequest()
        endSeries(missingIn: Batch(), &request.batch, time)
        for id in 0..<UInt32(reports.count) {
            let series = reports.withLabels(of: id) { request.batch.series.intern($0) }
            request.batch.points.appendFloat64(series: series, time: time, bits: FloatBits.staleMarker)
        }
        alive = Batch()
        reports.removeAll()
        return request
    }

    private func endSeries(missingIn current: Batch, _ batch: inout Batch, _ time: Int64) {
        for id in 0..<UInt32(alive.series.count) {
            let identity = alive.series.identity(of: id)
            let isThere = alive.series.withLabels(of: id) { labels in
                current.series.find(labels, hash: alive.series.hash(of: id), identity: identity) != nil
            }
            if isThere { continue }
            let series = batch.adopt(id, of: alive)
            batch.points.appendFloat64(series: series, time: time, bits: FloatBits.staleMarker)
        }
    }

    private mutating func report(_ name: String, _ value: Double, _ batch: inout Batch, _ time: Int64) {
        builder.reset()
        builder.add("__name__", name)
        for label in target.labels { builder.add(label.name, label.value) }
        // A target whose labels no series can have is told of by the refusals of its samples.
        guard (try? builder.finish()) != nil else { return }
        let id = builder.canonical.withUnsafeBytes { labels in
            _ = reports.intern(labels)
            return batch.series.intern(labels)
        }
        batch.points.appendFloat64(series: id, time: time, bits: value.bitPattern)
    }
}

extension Batch {
    /// The id here of another batch's series; text exposition sets only the kind of an identity.
    @discardableResult
    fileprivate mutating func adopt(_ id: UInt32, of other: Batch) -> UInt32 {
        let identity = other.series.identity(of: id)
        let hash = other.series.hash(of: id)
        return other.series.withLabels(of: id) { labels in
            series.find(labels, hash: hash, identity: identity) ?? series.insert(labels, hash: hash, identity: identity)
        }
    }
}
