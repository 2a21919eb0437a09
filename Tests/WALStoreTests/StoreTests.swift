import Foundation
import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct StoreTests {
    private func openFiles(under path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
        }.filter { $0.hasPrefix(path) }
    }

    @Test func `three hundred tenants share eight open spools and lose nothing`() async throws {
        let fixture = try StoreFixture()
        // Each waits for its turn behind all others, beside whatever runs beside it.
        let store = try fixture.open(NodeConfiguration(openSpools: 8), openWait: .seconds(900))
        let names = (0..<300).map { "tenant-\($0)" }
        try await store.configure(names.map { StoreFixture.tenant($0) })
        for round in 0..<2 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, name) in names.enumerated() {
                    group.addTask {
                        _ = try await store.append(
                            Make.batch(index + round * 1000..<index + round * 1000 + 1), tenant: name)
                    }
                }
                try await group.waitForAll()
            }
            let files = try openFiles(under: fixture.path)
            #expect(files.filter { $0.hasSuffix("spool.db") }.count <= 16, "a writer and a reader each at most")
            #expect(files.count <= 8 * 5 + 1, "\(files)")
        }
        #expect(store.tenantsWithWork().count == 300)
        for (index, name) in names.enumerated() {
            let values = try await store.drain(name)
            #expect(values == [index, index + 1000])
        }
        #expect(store.state.withLock { $0.highestOpenCount } == 8)
        await store.close()
    }

    @Test func `a second store on the same folder is refused and told who has it`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let error = #expect(throws: SpoolError.self) { try fixture.open() }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("process \(getpid())") == true)
        await store.close()
    }

    @Test func `a folder is free again when its store is gone`() async throws {
        let fixture = try StoreFixture()
        for _ in 0..<2 {
            let store = try fixture.open()
            await store.close()
        }
    }

    @Test func `ten thousand configured tenants open nothing`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure((0..<10_000).map { StoreFixture.tenant("t\($0)") })
        await store.maintain()
        #expect(store.state.withLock { $0.highestOpenCount } == 0)
        #expect(try openFiles(under: fixture.path).count == 2, "the folder and the file, which are locked")
        #expect(store.tenantsWithWork().isEmpty)
        await store.close()
    }

    @Test func `a start with a backlog knows its tenants and opens no spool`() async throws {
        let fixture = try StoreFixture()
        let tenants = ["busy", "done", "idle"].map { StoreFixture.tenant($0) }
        let first = try fixture.open()
        try await first.configure(tenants)
        _ = try await first.append(Make.batch(0..<10), tenant: "busy")
        _ = try await first.append(Make.batch(0..<10), tenant: "done")
        _ = try await first.drain("done")
        await first.close()

        let second = try fixture.open()
        try await second.configure(tenants)
        #expect(second.tenantsWithWork() == ["busy"])
        #expect(await second.status("busy")?.backends.first?.pendingPoints == 10)
        #expect(await second.status("done")?.backends.first?.deliveredPoints == 10)
        await second.maintain()
        #expect(second.state.withLock { $0.highestOpenCount } == 0)
        #expect(try await second.drain("busy") == Array(0..<10))
        await second.close()
    }

    /// In each of these folders the one look must say what the looks at each file say.
    @Test func `what a start sees of a tenant's folder is what is in it`() async throws {
        let fixture = try StoreFixture()
        let names = ["closed", "killed", "aside", "linked", "odd", "empty"]
        let store = try fixture.open()
        try await store.configure(names.map { StoreFixture.tenant($0) })
        for name in names { _ = try await store.append(Make.batch(0..<100), tenant: name) }
        func folder(_ name: String) -> String { store.folder.folder(of: name) }
        let files = Files.system
        let log = try files.disk.read(fixture.spool("killed") + "-wal", limit: 1 << 24)
        await store.close()
        try files.disk.write(log, to: fixture.spool("killed") + "-wal")
        try files.disk.write([1, 2, 3], to: folder("aside") + "/spool.db.set-aside-20260131T235959Z")
        try files.rename(fixture.spool("linked"), to: folder("linked") + "/moved")
        #expect(symlink("moved", fixture.spool("linked")) == 0)
        try files.remove(fixture.spool("odd"))
        #expect(mkfifo(fixture.spool("odd"), 0o600) == 0)
        try files.remove(fixture.spool("empty"))
        for name in names {
            let (look, taken) = (files.look(atTenant: folder(name)), files.taken(ofTenant: folder(name)))
            #expect(look.spoolBytes == taken.spool && look.otherBytes == taken.others, "\(name): \(look)")
            let stamp = NodeSummary.Stamp(ofClosed: fixture.spool(name), on: files)
            #expect(look.closed == (name == "closed" ? stamp : nil), "\(name): \(look)")
        }
        #expect(files.look(atTenant: folder("closed")).closed != nil)
    }

    @Test func `a spool that is written by others between two configurations is looked at again`() async throws {
        let fixture = try StoreFixture()
        let first = try fixture.open()
        try await first.configure([StoreFixture.tenant("acme")])
        _ = try await first.append(Make.batch(0..<10), tenant: "acme")
        await first.close()

        let second = try fixture.open()
        try await second.configure([StoreFixture.tenant("acme")])
        #expect(second.tenantsWithWork() == ["acme"])
        try await second.configure([])
        let connection = try Connection(path: fixture.spool("acme"), access: .readWrite)
        try connection.execute("UPDATE spool SET refused_points = 7; PRAGMA wal_checkpoint(TRUNCATE)")
        connection.setCheckpointOnClose(true)
        connection.close()
        try await second.configure([StoreFixture.tenant("acme")])
        #expect(second.tenantsWithWork().isEmpty, "nothing is known of it for sure")
        await second.maintain()
        #expect(await second.status("acme")?.refusedPoints == 7)
        await second.close()
    }

    @Test func `after a kill the tenants nobody closed are looked at in the background`() async throws {
        let fixture = try StoreFixture()
        let first = try fixture.open()
        try await first.configure([StoreFixture.tenant("acme")])
        _ = try await first.append(Make.batch(0..<10), tenant: "acme")
        await first.abandon()
        try await fixture.withSecondLife { second in
            try await second.configure([StoreFixture.tenant("acme")])
            #expect(second.state.withLock { $0.highestOpenCount } == 0)
            #expect(second.tenantsWithWork().isEmpty)
            let told = Told()
            second.onWork { told.add($0) }
            await second.maintain()
            #expect(told.tenants == ["acme"])
            #expect(second.tenantsWithWork() == ["acme"])
            #expect(try await second.drain("acme") == Array(0..<10))
        }
    }

    @Test func `a leased spool stays open and others wait for a place`() async throws {
        let fixture = try StoreFixture()
        // The wait ends with the lease, however long a slow machine takes to get there.
        let store = try fixture.open(NodeConfiguration(openSpools: 1), openWait: .seconds(3600))
        try await store.configure([StoreFixture.tenant("held"), StoreFixture.tenant("other")])
        _ = try await store.append(Make.batch(0..<10), tenant: "held")
        let lease = try await store.withSpool("held") { (spool) async throws(SpoolError) in
            try await spool.lease(backend: "a", limit: LeaseLimit(points: 5))
        }
        async let waiting = store.append(Make.batch(0..<1), tenant: "other")
        await store.maintain()
        let taken = try #require(lease)
        try await store.withSpool("held") { (spool) async throws(SpoolError) in
            try await spool.settle(taken, Make.all(taken, .delivered))
        }
        #expect(try await waiting.storedPoints == 1)
        #expect(try await store.drain("held") == Array(5..<10))
        #expect(store.state.withLock { $0.highestOpenCount } == 1)
        await store.close()
    }

    @Test func `a request does not stand behind those who only look`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(NodeConfiguration(openSpools: 1), openWait: .seconds(3600))
        let lookers = (0..<20).map { "looker\($0)" }
        try await store.configure((["held", "request"] + lookers).map { StoreFixture.tenant($0) })
        _ = try await store.append(Make.batch(0..<10), tenant: "held")
        let lease = try await store.withSpool("held") { (spool) async throws(SpoolError) in
            try await spool.lease(backend: "a", limit: LeaseLimit(points: 10))
        }
        let taken = try #require(lease)
        let order = Recorder<String>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for tenant in lookers {
                group.addTask {
                    try await store.withSpool(tenant) { _ async throws(SpoolError) in order.record(tenant) }
                }
            }
            // One looks at the tenant of the request as well.
            group.addTask { try await store.withSpool("request") { _ async throws(SpoolError) in } }
            while store.state.withLock({ $0.queueLength }) < 21 { await Task.yield() }
            group.addTask {
                _ = try await store.append(Make.batch(0..<1), tenant: "request")
                order.record("request")
            }
            while store.state.withLock({ $0.requestLength }) == 0 { await Task.yield() }
            try await store.withSpool("held") { (spool) async throws(SpoolError) in
                try await spool.settle(taken, Make.all(taken, .delivered))
            }
            await store.maintain()
            try await group.waitForAll()
        }
        #expect((order.elements.firstIndex(of: "request") ?? .max) < 5, "\(order.elements)")
        #expect(order.elements.count == 21)
        await store.close()
    }

    @Test func `a request that finds every open place leased is answered as full, and passes once one is free`()
        async throws
    {
        let fixture = try StoreFixture()
        let store = try fixture.open(NodeConfiguration(openSpools: 2), openWait: .seconds(3))
        try await store.configure(["one", "two", "other"].map { StoreFixture.tenant($0) })
        var leases: [String: Lease] = [:]
        for name in ["one", "two"] {
            // By the spool, whose wait for a place has no end: the machine may be busy.
            leases[name] = try await store.withSpool(name) { (spool) async throws(SpoolError) in
                _ = try await spool.append(Make.request(Make.batch(0..<10)))
                return try await spool.lease(backend: "a", limit: LeaseLimit(points: 10))
            }
        }
        for _ in 0..<2 {
            let began = ContinuousClock.now
            let error = await #expect(throws: SpoolError.self) {
                try await store.append(Make.batch(0..<1), tenant: "other")
            }
            #expect(error?.code == .full && error?.message.contains("open_spools") == true)
            #expect(ContinuousClock.now - began >= .seconds(3))
        }
        // Whoever is open goes on meanwhile.
        #expect(try await store.append(Make.batch(10..<11), tenant: "one").storedPoints == 1)
        let taken = try #require(leases["two"])
        try await store.withSpool("two") { (spool) async throws(SpoolError) in
            try await spool.settle(taken, Make.all(taken, .delivered))
        }
        await store.maintain()
        let stored = try await store.withSpool("other") { (spool) async throws(SpoolError) in
            try await spool.append(Make.request(Make.batch(0..<1))).storedPoints
        }
        #expect(stored == 1)
        #expect(store.state.withLock { $0.isWatchingWaits } == false || store.state.withLock { !$0.hasQueue })
        await store.close()
    }

    @Test(.timeLimit(.minutes(5)))
    func `a reload does not wait for a spool that has no place, which opens with what was reloaded`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(NodeConfiguration(openSpools: 1), openWait: .seconds(3600))
        try await store.configure([StoreFixture.tenant("held"), StoreFixture.tenant("other")])
        _ = try await store.append(Make.batch(0..<10), tenant: "held")
        let lease = try await store.withSpool("held") { (spool) async throws(SpoolError) in
            try await spool.lease(backend: "a", limit: LeaseLimit(points: 10))
        }
        async let waiting = store.append(Make.batch(0..<1), tenant: "other")
        while !store.state.withLock({ $0.hasQueue }) { await Task.yield() }
        try await store.configure(["held", "other"].map { StoreFixture.tenant($0, retainSeconds: 7) })
        let taken = try #require(lease)
        let retained = try await store.withSpool("held") { (spool) async throws(SpoolError) in
            try await spool.settle(taken, Make.all(taken, .delivered))
            return await spool.configuration.retainSeconds
        }
        await store.maintain()
        #expect(try await waiting.storedPoints == 1)
        let other = try await store.withSpool("other") { (spool) async in await spool.configuration.retainSeconds }
        #expect(retained == 7 && other == 7)
        await store.close()
    }

    @Test func `nothing is made where the data folder was, and a store goes on when it is back`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme"), StoreFixture.tenant("other")])
        _ = try await store.append(Make.batch(0..<10), tenant: "acme")
        let (path, away) = (fixture.path, fixture.folder.path + "/away")
        try Files.system.rename(path, to: away)
        for tenant in ["acme", "acme", "other"] {
            await #expect(throws: SpoolError.self) { try await store.append(Make.batch(10..<20), tenant: tenant) }
        }
        await store.maintain()
        #expect(store.problems().keys.sorted() == ["acme", "other"])
        #expect(store.folderFault()?.contains("was moved away") == true && fixture.raised(StoreTests.gone) == 1)
        #expect(try !Files.system.exists(path))
        // Nor in what somebody else has made there.
        try Files.system.makeFolder(path)
        await store.maintain()
        await #expect(throws: SpoolError.self) { try await store.append(Make.batch(10..<20), tenant: "other") }
        #expect(store.folderFault()?.contains("another folder stands at") == true)
        #expect(Files.system.names(in: path).isEmpty)
        try Files.system.disk.removeFolder(path)
        try Files.system.rename(away, to: path)
        await store.maintain()
        #expect(store.problems().isEmpty && store.folderFault() == nil)
        #expect(try await store.append(Make.batch(10..<20), tenant: "acme").storedPoints == 10)
        #expect(try await store.drain("acme") == Array(0..<20))
        #expect(Files.system.names(in: path + "/tenants/acme").allSatisfy { !$0.contains("set-aside") })
        await store.close()
    }

    private static let gone = "the data folder is gone; every request is refused"

    @Test func `calls after the end say that the node is closing`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        await store.close()
        let error = await #expect(throws: SpoolError.self) { try await store.append(Make.batch(0..<1), tenant: "acme") }
        #expect(error?.code == .closing)
    }

    @Test(arguments: ["", "../up", "a/b", "Upper", "-dash", ".hidden", String(repeating: "a", count: 64), "ä", "a b"])
    func `a tenant id outside the alphabet is refused`(name: String) async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        await #expect(throws: SpoolError.self) { try await store.configure([StoreFixture.tenant(name)]) }
        await store.close()
    }

    @Test func `ingest memory is bounded for the node and for a tenant`() {
        var budget = IngestBudget(maximumBytes: 100)
        var answers = [budget.admit(40, tenant: "a")]
        // Half of it is a tenant's share.
        answers.append(budget.admit(20, tenant: "a"))
        answers.append(budget.admit(50, tenant: "b"))
        answers.append(budget.admit(20, tenant: "c"))
        budget.end(50, tenant: "b")
        // A tenant's first request may take more than its share, while the node has room.
        answers.append(budget.admit(60, tenant: "c"))
        #expect(answers == [true, false, true, false, true])
        budget.end(40, tenant: "a")
        budget.end(60, tenant: "c")
        #expect(budget.bytes == 0)
        // A request that is alone is bounded by its own limits.
        let isAlone = budget.admit(1000, tenant: "a")
        #expect(isAlone)
    }

    @Test func `tenants share a fixed number of threads`() {
        let pool = ExecutorPool(threads: 3)
        let queues = (0..<1000).map { pool["tenant-\($0)"] }
        let used = Mutex<Set<UInt>>([])
        for queue in queues { queue.runAndWait { used.withLock { _ = $0.insert(pthread_self()) } } }
        #expect(used.withLock { (1...3).contains($0.count) })
        #expect(pool.threads == 3)
        #expect(pool["tenant-7"] === queues[7])
    }
}

/// Tenants a store told of.
final class Told: Sendable {
    private let names = Mutex<[String]>([])
    func add(_ name: String) { names.withLock { $0.append(name) } }
    var tenants: [String] { names.withLock { $0 } }
}
