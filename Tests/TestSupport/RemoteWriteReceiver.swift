import Metrics
import Synchronization

/// A remote write receiver that refuses what real ones refuse and holds the rest, as a TSDB without an out-of-order window:
/// a series takes what is newer than its newest sample, and that one again.
public final class RemoteWriteReceiver: Sendable {
    public enum Manner: Sendable {
        /// Prometheus 3: 1.0 is rolled back as a whole, of 2.0 what is right is stored, and counted.
        case current
        /// 2.0 gets 415.
        case firstOnly
        /// 2.0 and zstd get 400, without counts.
        case firstOnlyBadRequest
        /// Prometheus 2: whatever the headers say, it is read as 1.0.
        case blind
        /// 1.0 gets 415.
        case secondOnly
        /// VictoriaMetrics, which also takes 1.0 under zstd.
        case victoria
        /// Everything gets 415.
        case none
        /// Stores nothing and says 500, also if it could.
        case broken
        /// Takes 2.0 and keeps no histograms, without a word.
        case withoutHistograms
    }

    public let http: HTTPTestServer
    private struct State {
        var manner: Manner
        var refuses: @Sendable (_ series: String) -> Bool = { _ in false }
        /// By series, in the order they were stored.
        var held: [String: [(time: Int64, bits: UInt64)]] = [:]
        var histograms = 0
        var said: [String: MetricMetadata] = [:]
        var versions: [Int] = []
        var violations: [String] = []
    }
    private let state: Mutex<State>

    public init(_ manner: Manner = .current) throws {
        state = Mutex(State(manner: manner))
        http = try HTTPTestServer()
        http.answer { [weak self] request, _ in self?.take(request) ?? .reset }
    }

    public var url: String { http.url + "/api/v1/write" }
    public func stop() { http.stop() }
    public func become(_ manner: Manner) { state.withLock { $0.manner = manner } }
    /// Series that it does not want, for a reason that has nothing to do with time.
    public func refuse(_ refuses: @escaping @Sendable (_ series: String) -> Bool) {
        state.withLock { $0.refuses = refuses }
    }
    /// Times in milliseconds and values, by series.
    public var held: [String: [(time: Int64, bits: UInt64)]] { state.withLock { $0.held } }
    public var points: Int { state.withLock { $0.held.values.reduce(0) { $0 + $1.count } } }
    /// What was said of metrics last: in 1.0 by family, in 2.0 by the names of series.
    public var said: [String: MetricMetadata] { state.withLock { $0.said } }
    public var histograms: Int { state.withLock { $0.histograms } }
    /// 1 or 2 for each request, as its type says; 0 for 1.0 under zstd.
    public var versions: [Int] { state.withLock { $0.versions } }
    /// What a sender of ours never sends.
    public var violations: [String] { state.withLock { $0.violations } }

    // MARK: One request

    private func take(_ request: HTTPTestServer.Request) -> HTTPTestServer.Action {
        state.withLock { state in
            do {
                return try Self.take(request, &state)
            } catch {
                state.violations.append("\(error)")
                return .text(400, "\(error)")
            }
        }
    }

    private static let second = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

    private static func take(_ request: HTTPTestServer.Request, _ state: inout State) throws -> HTTPTestServer.Action {
        let (type, coding) = (request.headers["content-type"], request.headers["content-encoding"])
        let isSecond = type == second
        let isZstd = coding == "zstd"
        state.versions.append(isSecond ? 2 : isZstd ? 0 : 1)
        guard isSecond || type == "application/x-protobuf" else { return .text(415, "type \(type ?? "")") }
        let said = request.headers["x-prometheus-remote-write-version"]
        guard said == (isSecond ? "2.0.0" : isZstd ? nil : "0.1.0"),
            (request.headers["x-victoriametrics-remote-write-version"] == "1") == isZstd,
            request.headers["user-agent"] != nil
        else { return .text(400, "version \(said ?? "")") }
        switch state.manner {
        case .broken: return .text(500, "not now")
        case .none: return .text(415, "nothing is taken here")
        case .firstOnly where isSecond: return .text(415, "2.0 is not taken")
        case .firstOnlyBadRequest where isSecond || isZstd: return .text(400, "bad request")
        case .secondOnly where !isSecond: return .text(415, "1.0 is not taken")
        case .victoria where isZstd: break
        case _ where isZstd: return .text(415, "zstd is not taken")
        default: break
        }
        let plain = try plain(request.body, isZstd: isZstd)
        switch state.manner {
        case .blind, .victoria: return try takeFirst(isSecond ? [] : plain, &state)
        default: return isSecond ? try takeSecond(plain, &state) : try takeFirst(plain, &state)
        }
    }

    private static func plain(_ body: [UInt8], isZstd: Bool) throws -> [UInt8] {
        var decompressor = Decompressor(isZstd ? .zstd : .snappy, limit: 64 << 20)
        var plain: [UInt8] = []
        try body.withUnsafeBytes { try decompressor.feed($0, into: &plain) }
        try decompressor.finish(into: &plain)
        return plain
    }

    private static func takeFirst(_ plain: [UInt8], _ state: inout State) throws -> HTTPTestServer.Action {
        var decoder = RemoteWriteDecoder()
        var decoded = DecodedRequest()
        try plain.withUnsafeBytes { try decoder.decode($0, limits: .standard, into: &decoded) }
        let batch = decoded.batch
        for item in batch.metadata { state.said[item.family] = item }
        let before = state.held
        for ordinal in 0..<batch.points.count {
            let labels = batch.series.withLabels(of: batch.points.series[ordinal]) { bytes in
                LabelIterator(bytes).map { "\($0.nameString)=\($0.valueString)" }
            }
            let time = batch.points.times[ordinal] / 1_000_000
            if let fault = store(labels.joined(separator: ","), time, batch.points.bits[ordinal], &state) {
                if state.manner == .victoria { continue }
                state.held = before
                return .text(400, fault)
            }
        }
        return .reply(204)
    }

    private static func takeSecond(_ plain: [UInt8], _ state: inout State) throws -> HTTPTestServer.Action {
        var (samples, histograms, exemplars) = (0, 0, 0)
        var faults: [String] = []
        for series in try RemoteWriteMessage2(plain).series {
            if series.type != 0 || !series.help.isEmpty {
                state.said[series.name] = MetricMetadata(
                    family: series.name, kind: MetricKind(rawValue: UInt8(series.type)) ?? .unknown,
                    help: series.help, unit: series.unit)
            }
            for sample in series.samples {
                if let fault = store(series.key, sample.time, sample.bits, &state) {
                    faults.append(fault)
                } else {
                    samples += 1
                }
            }
            if state.manner != .withoutHistograms { histograms += series.histograms.count }
            exemplars += series.exemplars.count
        }
        state.histograms += histograms
        let headers = [("Samples", samples), ("Histograms", histograms), ("Exemplars", exemplars)].map {
            ("X-Prometheus-Remote-Write-\($0.0)-Written", "\($0.1)")
        }
        let words = Array(faults.prefix(3).joined(separator: "\n").utf8)
        return .reply(faults.isEmpty ? 204 : 400, headers: headers, body: words)
    }

    /// - Returns: why not; nil when it is stored, or was.
    private static func store(_ series: String, _ time: Int64, _ bits: UInt64, _ state: inout State) -> String? {
        if state.refuses(series) { return "the series \(series) is not wanted" }
        if let last = state.held[series]?.last {
            if time < last.time { return "out of order sample of \(series)" }
            if time == last.time { return bits == last.bits ? nil : "duplicate sample for timestamp of \(series)" }
        }
        state.held[series, default: []].append((time, bits))
        return nil
    }
}
