import Synchronization
import TestSupport
import WALStore

@testable import Forwarder

/// A forwarder over an in-memory ledger, with a clock that jumps: a wait takes no time, but time passes by it.
final class LaneFixture: Sendable {
    let source: MemorySource
    let forwarder: Forwarder
    let transport = HTTPTransport()
    /// How long each wait was to be.
    let waits = Recorder<Duration>()
    let events = Recorder<Event>()
    let clock: JumpingClock

    init(
        backends: [String] = ["central"], tuning: DeliveryTuning = DeliveryTuning(),
        clock: JumpingClock = JumpingClock(), series: Int = 1, bodyPoints: Int = 0
    ) {
        source = MemorySource(backends: backends, series: series, bodyPoints: bodyPoints)
        self.clock = clock
        let (waits, events) = (waits, events)
        let context = DeliveryContext(
            source: source, transport: transport, time: clock.time,
            sleep: { duration in
                try Task.checkCancellation()
                waits.record(duration)
                // So long a wait is one that a test expects to be woken from.
                if duration >= .seconds(40_000) { return try await Task.sleep(for: duration) }
                clock.advance(duration)
                // Others get a turn, as they would in a real wait.
                await Task.yield()
            },
            random: SeededGenerator.fresh(), tuning: tuning, events: { events.record($0) })
        forwarder = Forwarder(context: context)
    }

    func start(_ backend: LineBackend, name: String = "central") {
        forwarder.configure([DeliveryRoute(tenant: source.tenant, name: name, backend: backend)])
        forwarder.start()
    }

    var status: LaneStatus? { forwarder.status().first }
}

/// Time that passes only when told to.
final class JumpingClock: Sendable {
    private let nanoseconds = Mutex<Int64>(1_000_000_000)
    func advance(_ duration: Duration) { nanoseconds.withLock { $0 += duration.wholeNanoseconds } }
    var now: Int64 { nanoseconds.withLock { $0 } }
    var time: TimeSource {
        TimeSource(
            wall: { self.now + 1_790_000_000_000_000_000 }, boot: { self.now }, bootID: { "a boot" })
    }
}

extension HTTPTestServer.Request {
    /// The ordinals a `LineBackend` sent.
    var ordinals: [Int] {
        text.split(separator: "\n").compactMap { $0.split(separator: ".").last.flatMap { Int($0) } }
    }
}
