import Metrics
import TestSupport
import WALStore

@testable import Forwarder

/// A run of the whole path from one seed: clients, spools, workers, backends, network, clocks, disk and operator.
///
/// First everything goes wrong that can (safety: what is checked holds at each look), then nothing does any more
/// (liveness: everything drains).
///
/// `@unchecked Sendable`: used on its one thread only.
final class Simulation: @unchecked Sendable {
    struct Outcome: Sendable {
        var seed: UInt64
        var fault: String?
        var hash: UInt64
        var jobs: Int
        var steps: Int
        var simulatedSeconds: Int64
        var counts: [String: Int]
        var disk: DiskTally
        var trace: [String]
    }

    struct Options: Sendable {
        var steps = 36
        /// Acknowledges before it syncs: the oracle must find that out.
        var durability = Durability.full
        var traces = false
    }

    let seed: UInt64
    let options: Options
    var random: SeededGenerator
    let scheduler: SimulatedScheduler
    let clock: SimulatedClock
    let disk: SimulatedDisk
    let network: SimulatedNetwork
    let counts = SimulationCounts()
    let oracle: SimulationOracle
    var plan: SimulationPlan
    var node: SimulatedNode?
    var nextNumber = 1
    var step = 0
    /// The spools did not take the last config.
    var isReloadDue = false
    /// Set while a fault of the disk lasts: the step at which somebody mends it.
    var mendAt: Int?
    private var trace: [String] = []
    /// The same in every simulation.
    let noise = Simulation.sharedNoise
    private static let sharedNoise: SimulatedNoise = {
        var random = SeededGenerator(seed: 1)
        return SimulatedNoise(bytes: 200 << 10, &random)
    }()

    static let diskBytes: Int64 = 96 << 20

    init(seed: UInt64, options: Options = Options()) {
        self.seed = seed
        self.options = options
        random = SeededGenerator(seed: seed)
        scheduler = SimulatedScheduler(seed: random.next())
        clock = SimulatedClock(scheduler)
        disk = SimulatedDisk(seed: random.next(), bytes: Simulation.diskBytes)
        network = SimulatedNetwork(scheduler, seed: random.next(), counts: counts)
        oracle = SimulationOracle(network: network, counts: counts)
        // In every third run, beside receivers that take old points, or in every ninth that do not.
        let isFreshFirst = seed % 3 == 0
        network.takesOldPoints = isFreshFirst && seed % 9 != 0
        let network = network
        plan = SimulationPlan { network.addServer(type: $0).number }
        plan.durability = options.durability
        if seed % 2 == 1 { plan.chain = .random() }
        if isFreshFirst {
            let window: Int64? = network.takesOldPoints ? nil : 7200
            plan.order = .freshFirst(CatchUp(share: 0.3, freshSeconds: 60, outOfOrderSeconds: window))
        }
        oracle.isInexact = ["aging"]
        noteRoutes()
        if options.traces { self.network.say = { [unowned self] in say($0) } }
    }

    static func run(seed: UInt64, options: Options = Options()) async -> Outcome {
        await SimulationThread.run { Simulation(seed: seed, options: options).run() }
    }

    func run() -> Outcome {
        start()
        while scheduler.fault == nil, step < options.steps {
            step += 1
            operate()
            pump(milliseconds(0..<30_000))
        }
        if scheduler.fault == nil { drain() }
        node?.kill()
        defer { disk.discard() }
        return Outcome(
            seed: seed, fault: scheduler.fault, hash: scheduler.hash, jobs: scheduler.jobs, steps: step,
            simulatedSeconds: scheduler.now / 1_000_000_000, counts: counts.counts, disk: disk.tally, trace: trace)
    }

    // MARK: Parts

    func roll(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
    func milliseconds(_ range: Range<Int>) -> Int64 { Int64(range.lowerBound + roll(range.count)) * 1_000_000 }
    func pick<Element>(_ elements: [Element]) -> Element? { elements.isEmpty ? nil : elements[roll(elements.count)] }

    func say(_ text: @autoclosure () -> String) {
        guard options.traces else { return }
        let time = scheduler.now
        trace.append("\(time / 1_000_000_000).\(time / 1_000_000 % 1000 + 1000) \(text())")
    }

    func noteRoutes() {
        for backend in plan.backends {
            oracle.noteRoute(backend: backend.name, server: backend.server, formerName: backend.formerName)
        }
    }

    // MARK: Time

    /// Lets the node run for a while; a power cut under way ends it.
    func pump(_ nanoseconds: Int64) {
        let deadline = scheduler.now + nanoseconds
        scheduler.run(node?.life, until: deadline) { !disk.isOff }
        if disk.isOff {
            crash(.powerCut)
            scheduler.run(nil, until: deadline)
        }
    }

    /// Runs something of the node to its end.
    ///
    /// - Returns: nil when there is no node, or it died meanwhile.
    func perform<Result: Sendable>(
        _ what: String, _ body: @escaping @Sendable (SimulatedNode) async -> Result
    ) -> Result? {
        guard let node else { return nil }
        let slot = Slot<Result>()
        node.life.begin { slot.value = await body(node) }
        scheduler.run(node.life, until: scheduler.now + 4 * 3600 * 1_000_000_000) {
            slot.value == nil && !disk.isOff
        }
        if disk.isOff {
            crash(.powerCut)
            return nil
        }
        if slot.value == nil { scheduler.fail("\(what) did not end within four hours") }
        return slot.value
    }

    /// `@unchecked Sendable`: used on the simulation's one thread only.
    private final class Slot<Value>: @unchecked Sendable { var value: Value? }

    // MARK: Life of the node

    func start() {
        guard node == nil else { return }
        do throws(SpoolError) {
            let network = network
            let node = try SimulatedNode(
                scheduler, disk: disk, clock: clock, network: { await network.perform($0, life: $1) },
                seed: random.next()
            ) { [self] event in
                counts.add("event.\(event.message)")
                say("\(event.level) \(event.message) \(event.metadata.sorted { $0.key < $1.key })")
            }
            self.node = node
        } catch {
            say("does not start: \(error)")
            counts.add("start.failed")
            if disk.isOff { disk.restart(.powerCut) } else { disk.restart(.kill) }
            return
        }
        counts.add("start")
        say("starts")
        configure()
        audit()
        node?.forwarder.start()
    }

    func configure() {
        noteRoutes()
        let spools = plan.spools
        let refusal = perform("configure") { node -> SpoolError? in
            do throws(SpoolError) {
                try await node.store.configure(spools)
                return nil
            } catch {
                return error
            }
        }
        guard let node, let refusal else { return }
        if let error = refusal {
            // As the daemon has it: the routes stay, and the operator tries again.
            say("the spools do not take the config: \(error)")
            counts.add("reload.refused")
            isReloadDue = true
            return
        }
        isReloadDue = false
        node.forwarder.configure(plan.routes(&node.made))
    }

    /// The process ends at once.
    func crash(_ restart: SimulatedDisk.Restart) {
        guard let node else { return }
        say("\(restart)")
        counts.add("crash.\(restart)")
        node.kill()
        self.node = nil
        disk.restart(restart)
        if restart == .powerCut {
            clock.reboot()
            // Without a battery the date is anything until somebody sets it.
            if roll(4) == 0 { stepClock() }
        }
    }

    func stop() {
        guard node != nil else { return }
        say("stops")
        let grace = Duration.seconds(roll(20))
        let isDone = perform("stop") { node -> Bool in
            await node.forwarder.stop(grace: grace)
            await node.store.close()
            return true
        }
        guard isDone == true else { return }
        counts.add("stop")
        node?.kill()
        node = nil
        disk.restart(.kill)
    }

    func stepClock() {
        let years = Int64(1 + roll(12)) * (roll(2) == 0 ? 1 : -1)
        clock.step(seconds: years * 31_557_600)
        counts.add(years > 0 ? "clock.forward" : "clock.back")
        say("the wall clock steps \(years) years")
    }

    // MARK: Looking

    func audit() {
        for tenant in plan.tenants.map(\.name) where scheduler.fault == nil {
            let after = oracle.lastSequence(of: tenant)
            let key = plan.keepsChain(tenant) ? plan.chain : nil
            let found = perform("audit of \(tenant)") { node -> Result<SpoolAudit, SpoolError> in
                do throws(SpoolError) {
                    return .success(
                        try await node.store.withSpool(tenant) { (spool) async throws(SpoolError) in
                            try await spool.audit(after: after, key)
                        })
                } catch {
                    return .failure(error)
                }
            }
            switch found {
            case nil: return
            case .failure(let error):
                counts.add("audit.failed")
                say("no audit of \(tenant): \(error)")
            case .success(let audit):
                do throws(SpoolModel.Broken) { try oracle.check(audit) } catch {
                    scheduler.fail("step \(step), \(tenant): \(error)")
                }
            }
        }
    }
}
