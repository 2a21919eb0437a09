import TestSupport

@testable import WALStore

extension CrashRun {
    /// Everything up to `phase` on a disk that is well, `phase` while it fails as told; then the disk is well again.
    ///
    /// The node has to go on as it is. After that the power goes, and everything is delivered.
    mutating func run(_ phase: DiskFaultPhase, meeting fault: DiskFault) async throws {
        do {
            for earlier in DiskFaultPhase.allCases.prefix(while: { $0 != phase }) {
                try await live(earlier)
            }
            try await prepare(phase)
            disk.inject(fault)
            toleratesErrors = true
            try await work(phase)
            metFault = disk.hasMetFault
            disk.inject(nil)
            toleratesErrors = false
            try await goOn()
        } catch {
            await store.abandon()
            throw error
        }
        await store.abandon()
    }

    /// A phase on a disk that is well.
    mutating func live(_ phase: DiskFaultPhase) async throws {
        try await prepare(phase)
        try await work(phase)
    }

    mutating func prepare(_ phase: DiskFaultPhase) async throws {
        note("before \(phase)")
        switch phase {
        case .create, .settle, .close: break
        case .commit: try await append(CrashRun.tenants[1])
        case .checkpoint:
            for tenant in CrashRun.tenants {
                try await check(tenant)
                // Each commit is due to be folded in.
                try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                    await spool.hurryUpkeep(checkpointPages: 1, walCapBytes: 4096, vacuumPages: 1)
                }
            }
        case .repack:
            for _ in 0..<4 {
                for tenant in CrashRun.tenants { try await append(tenant) }
                clock.advance(seconds: 1)
            }
        case .prune:
            for _ in 0..<4 { for tenant in CrashRun.tenants { try await append(tenant) } }
            try await deliverAll()
        case .vacuum:
            try await fill()
            try await deliverAll()
            age()
            // Rows go, and their pages stay in the file.
            try await hurryVacuum(smallestPages: .max)
            await maintain()
            try await hurryVacuum(smallestPages: 1)
        case .recovery:
            for tenant in CrashRun.tenants { try await append(tenant) }
            await restart(.kill)
        case .powerCut:
            disk.cutPower(atCall: random.below(4) + 1, of: [.write, .sync])
            // What the cut meets fails, as it has to.
            try await attempt { (run) async throws in try await run.append(CrashRun.tenants[0]) }
            await restart(.powerCut)
        }
    }

    mutating func work(_ phase: DiskFaultPhase) async throws {
        note("\(phase)")
        switch phase {
        case .create: try await attempt { try await $0.append(CrashRun.tenants[0]) }
        case .commit: for tenant in CrashRun.tenants { try await attempt { try await $0.append(tenant) } }
        case .settle: try await settleSome(CrashRun.tenants[0], backends: 1)
        case .checkpoint:
            try await attempt { try await $0.append(CrashRun.tenants[0]) }
            await maintain()
        case .repack:
            for tenant in CrashRun.tenants {
                try await attempt { (run) async throws in try await run.hurryUp(tenant) }
                clock.advance(seconds: 5)
                await maintain()
            }
        case .prune:
            age()
            await maintain()
        case .vacuum: await maintain()
        case .close: try await reopen()
        case .recovery, .powerCut: try await startAgain()
        }
    }

    /// A piece of work that the disk may fail.
    private mutating func attempt(_ body: (inout CrashRun) async throws -> Void) async throws {
        clock.advance(seconds: 1)
        do { try await body(&self) } catch let error as SpoolError {
            guard toleratesErrors || disk.isOff else { throw error }
            note("\(error)")
        }
        if !disk.isOff { for tenant in present { await store.settleDown(tenant) } }
    }

    private mutating func maintain() async {
        for _ in 0..<2 {
            clock.advance(seconds: 1)
            await store.maintain()
        }
    }

    /// More than half of the file, on both spools.
    private mutating func fill() async throws {
        for _ in 0..<12 { for tenant in CrashRun.tenants { try await append(tenant, bulk: 16_000) } }
        for tenant in CrashRun.tenants { try await append(tenant) }
    }

    private func hurryVacuum(smallestPages: Int64) async throws {
        for tenant in CrashRun.tenants {
            try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                await spool.hurryUpkeep(checkpointPages: 1, walCapBytes: 4096, vacuumPages: smallestPages)
            }
        }
    }

    /// What is settled is older than it is kept.
    private mutating func age() {
        clock.advance(seconds: 1000)
        for tenant in models.keys { models[tenant]?.mayPrune = true }
    }

    private mutating func settleSome(_ tenant: String, backends: Int = .max) async throws {
        for backend in (models[tenant]?.owed ?? []).prefix(backends) {
            for points in [20, 300] {
                try await attempt { run in
                    guard try await run.lease(tenant, backend, points) else { return }
                    try await run.settle(run.leases.count - 1)
                }
                while !leases.isEmpty { try await attempt { try await $0.release() } }
            }
        }
    }

    private mutating func deliverAll() async throws {
        for tenant in CrashRun.tenants {
            for backend in models[tenant]?.owed ?? [] {
                while try await lease(tenant, backend, 5000) {
                    try await settle(leases.count - 1, all: .delivered)
                }
            }
            try await check(tenant)
        }
    }

    /// The disk is well: the same node takes in, delivers and keeps its files; then the power goes.
    private mutating func goOn() async throws {
        note("the disk is well")
        // After a full disk upkeep sees that there is room again.
        await maintain()
        try await configure()
        for tenant in CrashRun.tenants { try await check(tenant) }
        for tenant in CrashRun.tenants {
            try await append(tenant)
            try await settleSome(tenant)
        }
        await maintain()
        for tenant in CrashRun.tenants { try await check(tenant) }
        await restart(.powerCut)
        try await start()
        try await drain()
    }
}
