import TestSupport
import WALStore

@testable import Forwarder

/// The node's clocks: they go with the simulation's, and an operator, a network or a dead battery sets the date.
///
/// `@unchecked Sendable`: used on the simulation's one thread only.
final class SimulatedClock: @unchecked Sendable {
    private let scheduler: SimulatedScheduler
    private var wallOffset: Int64 = 1_790_000_000_000_000_000
    private var bootOffset: Int64 = 1_000_000_000_000
    private var boots = 1

    init(_ scheduler: SimulatedScheduler) { self.scheduler = scheduler }

    var time: TimeSource {
        TimeSource(
            wall: { self.scheduler.now + self.wallOffset }, boot: { self.scheduler.now + self.bootOffset },
            bootID: { "boot-\(self.boots)" })
    }

    /// Somebody sets the date.
    func step(seconds: Int64) { wallOffset += seconds * 1_000_000_000 }

    /// The machine starts anew.
    func reboot() {
        boots += 1
        bootOffset = -scheduler.now
    }
}

/// One process: the real store and the real forwarder, on the simulated disk, network and clock.
///
/// `@unchecked Sendable`: used on the simulation's one thread only.
final class SimulatedNode: @unchecked Sendable {
    static let folder = "/var/lib/holdfast"

    let life: SimulatedLife
    private let mount: Mount
    let store: WALStore
    let forwarder: Forwarder
    var made: [String: any Backend] = [:]

    typealias Network = @Sendable (HTTPRequest, SimulatedLife) async -> Answer

    init(
        _ scheduler: SimulatedScheduler, disk: SimulatedDisk, clock: SimulatedClock, network: @escaping Network,
        seed: UInt64, events: @escaping EventSink
    ) throws(SpoolError) {
        let life = SimulatedLife(scheduler)
        self.life = life
        mount = disk.mount()
        store = try WALStore(
            directory: SimulatedNode.folder,
            // Fewer places than tenants, so that spools are closed and opened under way.
            node: NodeConfiguration(freeSpaceReservePercent: 2, openSpools: 4, ingestMemoryBytes: 4 << 20),
            time: clock.time, upkeepInterval: .seconds(60), openWait: .seconds(10), disk: mount,
            scheduling: life.scheduling, bases: .eager, events: events)
        let context = DeliveryContext(
            source: store, transport: HTTPTransport { await network($0, life) }, time: clock.time,
            sleep: life.scheduling.sleep, random: SeededGenerator(seed: seed), tuning: DeliveryTuning(),
            tasks: life.tasks, events: events)
        forwarder = Forwarder(context: context)
    }

    func kill() {
        life.kill(remains: [store, forwarder])
        mount.leave()
    }
}
