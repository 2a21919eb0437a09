import Metrics
import TestSupport
import WALStore

@testable import Forwarder

/// A node with one tenant whose one backend is at the other end of a `SharedLink`, all of it in simulated time: the real
/// store, forwarder and encoder. The value of a point is when it was received, to the millisecond, and noise below that: points of
/// which each is like the last one would be no load.
///
/// `@unchecked Sendable`: no lock, as one thread alone uses it, that of `SimulationThread.run`.
final class LinkedNode: @unchecked Sendable {
    enum Verdict {
        case answer(Int)
        case hang
    }

    struct Request {
        /// When it arrived, seconds since the simulation began.
        var seconds: Double
        /// When its points were received.
        var received: [Double]
        var status: Int?
        /// The largest time from the receipt to the arrival of one of its points.
        var worstDelay: Double { received.map { seconds - $0 }.max() ?? 0 }
    }

    /// What the backend makes of a request; its `status` is not known yet.
    var judge: (Request) -> Verdict = { _ in .answer(204) }
    private(set) var requests: [Request] = []
    private let scheduler: SimulatedScheduler
    private let disk: SimulatedDisk
    private let link: SharedLink
    private var node: SimulatedNode?
    private var noise: SeededGenerator

    var taken: [Request] { requests.filter { $0.status == 204 } }
    /// Since the simulation began, to the millisecond.
    var seconds: Double { Double(scheduler.now / 1_000_000) / 1000 }

    private init(bytesPerSecond: Int, maximumPoints: Int, _ order: DeliveryOrder, seed: UInt64) throws {
        scheduler = SimulatedScheduler(seed: seed)
        noise = SeededGenerator(seed: seed)
        disk = SimulatedDisk(seed: seed, bytes: 256 << 20)
        link = SharedLink(scheduler, bytesPerSecond: bytesPerSecond)
        let clock = SimulatedClock(scheduler)
        let node = try SimulatedNode(
            scheduler, disk: disk, clock: clock, network: { [unowned self] in await perform($0, $1) }, seed: seed,
            events: { _ in })
        self.node = node
        let settings = try Settings(
            SettingsNode(
                .map([
                    ("url", 1, SettingsNode(.scalar("http://far"), line: 1)),
                    ("max_points", 1, SettingsNode(.scalar("\(maximumPoints)"), line: 1)),
                ]), line: 1), path: "backends.far")
        let backend = try makeBackend(type: PrometheusRemoteWrite.type, name: "far", settings: settings)
        let spool = SpoolConfiguration(
            tenant: "acme", backends: [BackendRegistration(name: "far", type: PrometheusRemoteWrite.type)])
        finish { node in
            do { try await node.store.configure([spool]) } catch { preconditionFailure("it is a new folder: \(error)") }
        }
        node.forwarder.configure([DeliveryRoute(tenant: "acme", name: "far", backend: backend, order: order)])
    }

    /// - Returns: what `body` returned, which has a node whose forwarder does not run yet.
    static func run<Result: Sendable>(
        bytesPerSecond: Int, maximumPoints: Int = 10_000, _ order: DeliveryOrder, seed: UInt64 = 1,
        _ body: @escaping @Sendable (LinkedNode) throws -> Result
    ) async throws -> Result {
        try await SimulationThread.run {
            Swift.Result {
                let linked = try LinkedNode(
                    bytesPerSecond: bytesPerSecond, maximumPoints: maximumPoints, order, seed: seed)
                defer { linked.end() }
                return try body(linked)
            }
        }.get()
    }

    private func end() {
        node?.kill()
        disk.discard()
    }

    func startDelivery() { node?.forwarder.start() }

    /// A point of each of so many series, every so often, for so long.
    func scrape(series: Int, every interval: Double, for seconds: Double) {
        let end = scheduler.now + Int64(seconds * 1e9)
        while scheduler.now < end {
            append(series: series)
            scheduler.run(node?.life, until: min(end, scheduler.now + Int64(interval * 1e9)))
        }
    }

    func pass(seconds: Double) { scheduler.run(node?.life, until: scheduler.now + Int64(seconds * 1e9)) }

    var fault: String? { scheduler.fault }

    func ledger() -> BackendLedger? {
        let slot = Slot<BackendLedger>()
        finish { node in
            slot.value = try? await node.store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.status()
            }.backends.first
        }
        return slot.value
    }

    /// `@unchecked Sendable`: no lock, as one thread alone uses it, that of `SimulationThread.run`.
    private final class Slot<Value>: @unchecked Sendable { var value: Value? }

    private func finish(_ body: @escaping @Sendable (SimulatedNode) async -> Void) {
        guard let node else { return }
        let isDone = Slot<Bool>()
        node.life.begin {
            await body(node)
            isDone.value = true
        }
        scheduler.run(node.life, until: scheduler.now + 1_000_000_000) { isDone.value == nil }
    }

    private func append(series: Int) {
        var decoded = DecodedRequest()
        for number in 0..<series {
            var builder = LabelBuilder()
            builder.add("__name__", "depth_metres")
            builder.add("sensor", "\(number)")
            do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
            let id = builder.canonical.withUnsafeBytes { decoded.batch.series.intern($0) }
            let time = 1_790_000_000_000_000_000 + scheduler.now / 1_000_000 * 1_000_000
            decoded.batch.points.appendFloat64(
                series: id, time: time, bits: UInt64(scheduler.now) + noise.next() % 1_000_000)
        }
        let request = AppendRequest(
            decoded: decoded, source: "test", peer: "127.0.0.1", requestID: "a request", bodyBytes: 1)
        node?.store.append(request, tenant: "acme") { [scheduler] result in
            if case .failure(let error) = result { scheduler.fail("not stored: \(error)") }
        }
    }

    // MARK: The far end

    private func perform(_ request: HTTPRequest, _ life: SimulatedLife) async -> Answer {
        await withUnsafeContinuation { continuation in
            link.carry(request) { [self] in
                arrive(request, life) { continuation.resume(returning: $0) }
            }
        }
    }

    private func arrive(_ request: HTTPRequest, _ life: SimulatedLife, _ answer: @escaping (Answer) -> Void) {
        guard let samples = SimulatedWire.remoteWrite(request.body) else { return scheduler.fail("no remote write") }
        var arrived = Request(seconds: seconds, received: samples.map { Double($0.bits / 1_000_000) / 1000 })
        switch judge(arrived) {
        case .answer(let status):
            arrived.status = status
            let body = status == 204 ? "" : "status \(status)"
            answer(.response(HTTPResponse(status: status, body: Array(body.utf8))))
        case .hang:
            let timeout = request.timeout.components.seconds * 1_000_000_000
            scheduler.after(timeout, life: life) {
                answer(.failure(TransportFailure(mayHaveArrived: true, reason: "timed out")))
            }
        }
        requests.append(arrived)
    }
}
