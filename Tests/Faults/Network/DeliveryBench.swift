import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Real spools and the real forwarder over libcurl, and beside them a list of every point that was acknowledged.
final class DeliveryBench: Sendable {
    static let series = 5

    /// What a tenant's points go to.
    struct Target: Sendable {
        var name: String
        var type = "prometheus_remote_write"
        var url: String
        var settings: [String: String] = [:]
        var tls: [String: String] = [:]
    }

    private struct State {
        var store: WALStore?
        var forwarder: Forwarder?
        var acknowledged: [String: [Int]] = [:]
        var next = 0
    }

    let folder: TemporaryFolder
    let transport = HTTPTransport()
    let events = Recorder<Event>()
    /// How long each wait of the forwarder was to be.
    let waits = Recorder<Duration>()
    private let tuning: DeliveryTuning
    /// Waits pass at once, and time with them; nil: real time.
    let clock: SteppingClock?
    private let seed: UInt64
    private let passes: Mutex<Bool>
    private let state = Mutex(State())

    /// - Parameters:
    ///   - clock: with one, an hour of backoff takes no time.
    ///   - waitsForEver: until `waitsPass`, a wait ends only with the lane that waits.
    init(
        tuning: DeliveryTuning = DeliveryBench.quick, clock: SteppingClock? = nil, seed: UInt64 = 1,
        waitsForEver: Bool = false
    ) throws {
        passes = Mutex(!waitsForEver)
        folder = try TemporaryFolder()
        self.tuning = tuning
        self.clock = clock
        self.seed = seed
    }

    /// Attempts follow each other fast, so that many fit into a test.
    static var quick: DeliveryTuning {
        var tuning = DeliveryTuning()
        (tuning.backoff.base, tuning.backoff.cap) = (.milliseconds(1), .milliseconds(20))
        tuning.probeEvery = .milliseconds(50)
        tuning.spoolPause = .milliseconds(20)
        return tuning
    }

    func waitsPass() { passes.withLock { $0 = true } }

    // MARK: Life

    /// Opens the spools and begins to deliver.
    ///
    /// - Parameter delivers: false: points are taken in, and nothing is sent until the next start.
    func start(_ tenants: [String: [Target]], delivers: Bool = true) async throws {
        let time = clock?.time ?? .system
        let store = try WALStore(
            directory: folder.path, node: NodeConfiguration(), time: time, upkeepInterval: nil,
            scheduling: .patient, events: { [events] in events.record($0) })
        let (waits, clock, events) = (waits, clock, events)
        let context = DeliveryContext(
            source: store, transport: transport, time: time,
            sleep: { [self] duration in
                waits.record(duration)
                guard let clock, self.passes.withLock({ $0 }) else { return try await Task.sleep(for: duration) }
                try Task.checkCancellation()
                clock.advance(duration)
                // Others get a turn, as they would in a real wait.
                await Task.yield()
            }, random: SeededGenerator(seed: seed), tuning: tuning, events: { events.record($0) })
        let forwarder = Forwarder(context: context)
        state.withLock { ($0.store, $0.forwarder) = (store, forwarder) }
        try await configure(tenants)
        if delivers { forwarder.start() }
    }

    /// A reload.
    func configure(_ tenants: [String: [Target]]) async throws {
        let (store, forwarder) = parts
        try await store.configure(
            tenants.map { tenant, targets in
                SpoolConfiguration(
                    tenant: tenant, backends: targets.map { BackendRegistration(name: $0.name, type: $0.type) })
            })
        forwarder.configure(
            try tenants.flatMap { tenant, targets in
                try targets.map {
                    DeliveryRoute(tenant: tenant, name: $0.name, backend: try DeliveryBench.backend($0))
                }
            })
    }

    func stop() async {
        let (store, forwarder) = parts
        await forwarder.stop(grace: .zero)
        await store.close()
        state.withLock { ($0.store, $0.forwarder) = (nil, nil) }
    }

    private var parts: (WALStore, Forwarder) {
        state.withLock { state in
            guard let store = state.store, let forwarder = state.forwarder else {
                preconditionFailure("the bench is not started")
            }
            return (store, forwarder)
        }
    }

    static func backend(_ target: Target) throws -> any Backend {
        func map(_ values: [String: String]) -> [(key: String, line: Int, value: SettingsNode)] {
            values.sorted { $0.key < $1.key }.map { ($0.key, 3, SettingsNode(.scalar($0.value), line: 3)) }
        }
        var entries = map(target.settings.merging(["url": target.url]) { $1 })
        if !target.tls.isEmpty { entries.append(("tls", 4, SettingsNode(.map(map(target.tls)), line: 4))) }
        let settings = try Settings(SettingsNode(.map(entries), line: 2), path: "backends.\(target.name)")
        return try makeBackend(type: target.type, name: target.name, settings: settings)
    }

    // MARK: Points

    /// Commits `count` unique points and remembers that they were acknowledged.
    @discardableResult func append(_ count: Int, tenant: String = "acme") async throws -> [Int] {
        let first = state.withLock { state in
            defer { state.next += count }
            return state.next
        }
        let values = Array(first..<first + count)
        var decoded = DecodedRequest()
        let ids = (0..<DeliveryBench.series).map { DeliveryBench.series($0, in: &decoded.batch) }
        for value in values {
            decoded.batch.points.appendFloat64(
                series: ids[value % DeliveryBench.series], time: 1_790_000_000_000_000_000 + Int64(value) * 1_000_000,
                bits: Double(value).bitPattern)
        }
        let request = AppendRequest(
            decoded: decoded, source: "test", peer: "127.0.0.1", requestID: "a request", bodyBytes: 1)
        let result = await withCheckedContinuation { continuation in
            parts.0.append(request, tenant: tenant) { continuation.resume(returning: $0) }
        }
        _ = try result.get()
        state.withLock { $0.acknowledged[tenant, default: []] += values }
        return values
    }

    private static func series(_ number: Int, in batch: inout Batch) -> UInt32 {
        var builder = LabelBuilder()
        builder.add("__name__", "point")
        builder.add("number", "\(number)")
        do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
        return builder.canonical.withUnsafeBytes { batch.series.intern($0) }
    }

    func acknowledged(_ tenant: String = "acme") -> Set<Int> {
        state.withLock { Set($0.acknowledged[tenant] ?? []) }
    }

    // MARK: What became of them

    func ledger(_ backend: String = "central", tenant: String = "acme") async throws -> BackendLedger {
        let status = try await parts.0.withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.status()
        }
        return try #require(status.backends.first { $0.name == backend })
    }

    func lane(_ backend: String = "central", tenant: String = "acme") -> LaneStatus? {
        parts.1.status().first { $0.tenant == tenant && $0.backend == backend }
    }

    /// Returns once nothing is pending; the suite's time limit ends a wait in vain.
    func drained(_ backend: String = "central", tenant: String = "acme") async throws -> BackendLedger {
        while true {
            let ledger = try await ledger(backend, tenant: tenant)
            if ledger.pendingPoints == 0 { return ledger }
            // A settlement has no event to wait for.
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Returns once the lane is as `condition` says.
    func lane(
        _ backend: String = "central", tenant: String = "acme", until condition: (LaneStatus) -> Bool
    ) async throws -> LaneStatus {
        while true {
            if let status = lane(backend, tenant: tenant), condition(status) { return status }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Everything acknowledged is at `server`, delivered and nothing else, and the ledger balances.
    func expectAllDelivered(
        to server: PointServer, _ backend: String = "central", tenant: String = "acme", seed: UInt64 = 0,
        at location: SourceLocation = #_sourceLocation
    ) async throws {
        let ledger = try await drained(backend, tenant: tenant)
        let points = acknowledged(tenant)
        let missing = points.subtracting(server.values)
        #expect(
            missing.isEmpty,
            "\(missing.count) of \(points.count) never arrived: \(missing.sorted().prefix(5)), seed \(seed)",
            sourceLocation: location)
        #expect(ledger.deliveredPoints == Int64(points.count), "\(ledger), seed \(seed)", sourceLocation: location)
        #expect(ledger.balances, "\(ledger), seed \(seed)", sourceLocation: location)
        #expect(server.faults.isEmpty, "seed \(seed)", sourceLocation: location)
    }
}

/// Time that passes only when somebody waits.
final class SteppingClock: Sendable {
    private let nanoseconds = Mutex<Int64>(1_000_000_000)
    func advance(_ duration: Duration) { nanoseconds.withLock { $0 += duration.wholeNanoseconds } }
    var now: Int64 { nanoseconds.withLock { $0 } }
    var time: TimeSource {
        TimeSource(wall: { self.now + 1_790_000_000_000_000_000 }, boot: { self.now }, bootID: { "a boot" })
    }
}
