import Metrics
import TestSupport
import Testing

@testable import WALStore

/// What seeds of the power-cut suite once found, without their chance: the seeds replay it only as long as nothing draws
/// another number before.
struct FoundBySeedsTests {
    private static let log = "/data/tenants/acme/spool.db-wal"
    private static let database = "/data/tenants/acme/spool.db"

    private func open(_ disk: SimulatedDisk, openSpools: Int = 8) async throws -> WALStore {
        let store = try WALStore(
            directory: "/data", node: NodeConfiguration(openSpools: openSpools), upkeepInterval: nil,
            openWait: .seconds(60), disk: disk.mount(), events: { _ in })
        try await store.configure(
            ["acme", "zeta"].map {
                SpoolConfiguration(tenant: $0, backends: [BackendRegistration(name: "a", type: "archive")])
            })
        return store
    }

    /// A commit behind a log that a crash left behind shared a sector with the last acknowledged one.
    @Test func `a log that a kill left behind is folded in, synced and emptied before anything is written to it`()
        async throws
    {
        let disk = SimulatedDisk(seed: 1)
        var store = try await open(disk)
        for number in 0..<3 {
            _ = try await store.append(NumberedPoints.request(number..<number + 1, id: "\(number)"), tenant: "acme")
                .get()
        }
        await store.abandon()
        disk.restart(.kill)
        let salts = try #require(disk.content(FoundBySeedsTests.log))[16..<24]
        disk.startTrace()
        store = try await open(disk)
        _ = try await store.append(NumberedPoints.request(3..<4, id: "3"), tenant: "acme").get()
        let trace = disk.takeTrace()
        func first(_ kind: DiskCall.Kind, _ path: String) throws -> Int {
            try #require(trace.first { $0.kind == kind && $0.path == path }, "\(kind) of \(path)").number
        }
        let written = try first(.write, FoundBySeedsTests.log)
        let emptied = try first(.truncate, FoundBySeedsTests.log)
        let (folded, synced) = (
            try first(.write, FoundBySeedsTests.database), try first(.sync, FoundBySeedsTests.database)
        )
        #expect(folded < synced && synced < emptied && emptied < written)
        #expect(try #require(disk.content(FoundBySeedsTests.log))[16..<24] != salts, "it is another log")
        await store.close()
    }

    /// A spool that could not tell its last status was taken for open, and kept its place for ever.
    @Test func `a spool whose disk is gone gives its place back all the same`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let store = try await open(disk, openSpools: 1)
        _ = try await store.append(NumberedPoints.request(0..<1, id: "0"), tenant: "acme").get()
        disk.cutPower()
        for _ in 0..<2 {
            let failure = await #expect(throws: SpoolError.self) {
                try await store.withSpool("zeta") { _ throws(SpoolError) in }
            }
            #expect(failure?.message.contains("open_spools") == false, "the place was not given back")
        }
        await store.close()
    }
}
