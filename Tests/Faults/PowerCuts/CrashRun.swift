import Metrics
import TestSupport

@testable import WALStore

/// Random work on a real store whose disk misbehaves, beside a model of what everybody was told.
///
/// One seed decides the work, the moments of cuts and what they leave. Steps run one after another, and each waits for
/// the writer to be done, so that the same seed makes the same calls to the disk.
struct CrashRun {
    static let tenants = ["acme", "zeta"]

    let seed: UInt64
    let disk: SimulatedDisk
    let clock = FaultClock()
    var random: SeededGenerator
    var store: WALStore
    var models: [String: TenantModel] = [:]
    /// In the config now.
    var present: Set<String> = Set(CrashRun.tenants)
    var leases: [HeldLease] = []
    var repackedRows: Int64 = 0
    let node: NodeConfiguration
    let durability: Durability
    let hurry: (checkpointPages: Int64, walCapBytes: Int64, vacuumPages: Int64)
    /// A fault is about: calls may fail, what is acknowledged has to hold all the same.
    var toleratesErrors = false
    var metFault = false
    /// Dead letters are purged, or sent again, now and then. Not in all runs: seeds that found something tell their story
    /// without.
    let endsLetters: Bool
    /// Fresh points go ahead of a backlog, with the same reserve.
    let goesAhead: Bool
    var aheadLeases = 0
    /// The spools keep a chain, which has to hold at each look. Not in all runs, for the same reason.
    let chain: ChainKey?
    var purgedPoints: Int64 = 0
    var redrivenPoints: Int64 = 0
    /// What happened last, for a report.
    var log: [String] = []

    struct HeldLease {
        var tenant: String
        var lease: Lease
        /// The numbers of its points, by piece.
        var numbers: [[Int]]
        /// Those not settled yet.
        var open: Set<Int>
    }

    /// - Parameter lie: a promise that the disk breaks: the run then has to end with a violation.
    init(
        seed: UInt64, lie: DiskLie? = nil, durability: Durability = .full, endsLetters: Bool = false,
        goesAhead: Bool = false, keepsChain: Bool = false
    ) async throws {
        chain = keepsChain ? .random() : nil
        self.seed = seed
        self.endsLetters = endsLetters
        self.goesAhead = goesAhead
        self.durability = durability
        random = SeededGenerator(seed: seed)
        disk = SimulatedDisk(seed: random.next())
        disk.lie(lie)
        // Sometimes the two spools have one place between them.
        node = NodeConfiguration(openSpools: random.below(4) == 0 ? 1 : 8, writerThreads: 1, readerThreads: 1)
        hurry = (Int64(random.below(40) + 2), Int64(random.below(64) + 1) << 12, Int64(random.below(8) + 1))
        if TestSeed.fixed != nil { disk.startTrace() }
        store = try CrashRun.open(disk, node, clock)
        for tenant in CrashRun.tenants {
            models[tenant] = TenantModel()
            models[tenant]?.configure(random.below(3) == 0 ? ["a"] : ["a", "b"])
        }
        try await configure()
    }

    private static func open(_ disk: SimulatedDisk, _ node: NodeConfiguration, _ clock: FaultClock) throws -> WALStore {
        try WALStore(
            directory: "/data", node: node, time: clock.source, upkeepInterval: nil, openWait: .seconds(600),
            disk: disk.mount(), bases: .eager, events: { _ in })
    }

    var canHoldLeases: Bool { node.openSpools > 1 }

    func configuration(_ tenant: String) -> SpoolConfiguration {
        let names = models[tenant]?.attached ?? []
        var configuration = SpoolConfiguration(
            tenant: tenant, backends: names.sorted().map { BackendRegistration(name: $0, type: "archive") },
            retainSeconds: 600, durability: durability)
        configuration.chain = chain
        return configuration
    }

    func configure() async throws {
        try await store.configure(present.sorted().map { configuration($0) })
    }

    // MARK: The run

    /// Steps with a cut now and then; at the end everything is delivered.
    mutating func run(steps: Int) async throws {
        do {
            for _ in 0..<steps {
                if random.below(5) == 0, !disk.isOff { cutSoon() }
                try await step()
                if disk.isOff { try await recover() }
            }
            if disk.isOff { try await recover() }
            try await drain()
        } catch {
            await store.abandon()
            throw error
        }
        await store.abandon()
    }

    /// At once, within a step, or a few steps later.
    private mutating func cutSoon() {
        switch random.below(10) {
        case 0: disk.cutPower(atCall: random.below(120) + 1)
        case 1..<4: disk.cutPower(atCall: random.below(4) + 1, of: [.sync, .syncFolder])
        default: disk.cutPower(atCall: random.below([4, 20, 60][random.below(3)]) + 1, of: DiskCall.changes)
        }
    }

    /// The machine is started again, as often as it takes.
    private mutating func recover() async throws {
        while true {
            await restart(.powerCut)
            // The power goes again while the node starts, or soon after.
            if random.below(3) == 0 { disk.cutPower(atCall: random.below(20) + 1, of: DiskCall.changes) }
            do {
                try await start()
                if !disk.isOff { return }
            } catch {
                guard disk.isOff else { throw error }
            }
        }
    }

    mutating func restart(_ kind: SimulatedDisk.Restart) async {
        note("\(kind)")
        await store.abandon()
        leases = []
        disk.restart(kind)
        if kind == .powerCut { clock.reboot() }
        for tenant in models.keys { models[tenant]?.endProcess() }
    }

    /// Opens the store and checks each spool that is in the config.
    mutating func start() async throws {
        store = try CrashRun.open(disk, node, clock)
        try await configure()
        for tenant in present.sorted() { try await check(tenant) }
    }

    /// Opens the tenant's spool and lets its upkeep do at once what it does once in a long while.
    func hurryUp(_ tenant: String) async throws {
        let hurry = hurry
        try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            await spool.hurryUpkeep(
                checkpointPages: hurry.checkpointPages, walCapBytes: hurry.walCapBytes, vacuumPages: hurry.vacuumPages)
        }
    }

    mutating func check(_ tenant: String) async throws {
        try await hurryUp(tenant)
        let store = store
        let truth = try await disk.withoutFault {
            try await store.withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.truth() }
        }
        do throws(Violation) { try models[tenant]?.check(truth) } catch {
            throw Violation("tenant \(tenant): \(error)")
        }
        if let chain {
            let findings = try await disk.withoutFault {
                try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                    try await spool.chainFindings(chain)
                }
            }
            if !findings.isEmpty { throw Violation("tenant \(tenant): the chain does not hold: \(findings)") }
        }
        if let path = disk.plainOpens.first { throw Violation("\(path) was opened beside SQLite") }
        if let path = disk.paths.first(where: { $0.contains("set-aside") }) { throw Violation("\(path) was set aside") }
    }

    /// The last steps, and with one seed alone the calls that changed the disk.
    var report: String {
        let calls = disk.takeTrace().suffix(500).filter { DiskCall.changes.contains($0.kind) }
        return (log.suffix(30) + calls.map(\.description)).joined(separator: "\n")
    }

    mutating func note(_ what: String) { log.append("\(disk.calls): \(what)") }

    /// Delivers whatever is left, and looks for the last time.
    mutating func drain() async throws {
        disk.restart(.kill)
        await store.abandon()
        for tenant in models.keys { models[tenant]?.endProcess() }
        leases = []
        present = Set(CrashRun.tenants)
        try await start()
        for tenant in CrashRun.tenants {
            for backend in models[tenant]?.owed ?? [] {
                while try await lease(tenant, backend, 5000) {
                    try await settle(leases.count - 1, all: .delivered)
                }
            }
            try await check(tenant)
        }
        await store.close()
        for (tenant, model) in models {
            for (name, backend) in model.backends {
                for request in model.requests where request.answer == .acknowledged && request.attached.contains(name) {
                    guard request.values.allSatisfy({ backend.settled[$0] != 0 }) else {
                        throw Violation("\(request.id) of \(tenant) never came to \(name)")
                    }
                }
            }
        }
    }
}
