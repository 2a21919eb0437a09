import Foundation
import Metrics
import Synchronization
import TestSupport

@testable import WALStore

/// A node in a folder of its own, with clocks that a test moves; upkeep runs only when it is called.
final class StoreFixture: Sendable {
    let folder: TemporaryFolder
    let wall = Mutex(SpoolFixture.start)
    let boot = Mutex<Int64>(1_000_000_000_000)
    let bootID = Mutex("first")
    let events = Mutex<[Event]>([])

    let path: String

    /// - Parameter path: a folder outside, on a file system of its own.
    init(path: String? = nil) throws {
        folder = try TemporaryFolder()
        self.path = path ?? folder.path + "/data"
    }

    func spool(_ tenant: String) -> String { "\(path)/tenants/\(tenant)/spool.db" }

    func open(
        _ node: NodeConfiguration = NodeConfiguration(), openWait: Duration = .seconds(3600),
        measure: (@Sendable (String) throws(SpoolError) -> DiskSpace)? = nil
    ) throws -> WALStore {
        let time = TimeSource(
            wall: { [self] in wall.withLock { $0 } }, boot: { [self] in boot.withLock { $0 } },
            bootID: { [self] in bootID.withLock { $0 } })
        return try WALStore(
            directory: path, node: node, time: time, upkeepInterval: nil, openWait: openWait, disk: Files.system.disk,
            measure: measure, scheduling: .patient
        ) { [self] event in events.withLock { $0.append(event) } }
    }

    /// Both clocks go on.
    func advance(seconds: Int64) {
        wall.withLock { $0 += seconds * 1_000_000_000 }
        boot.withLock { $0 += seconds * 1_000_000_000 }
    }

    /// Somebody sets the date.
    func stepWall(seconds: Int64) { wall.withLock { $0 += seconds * 1_000_000_000 } }

    func raised(_ message: String) -> Int { events.withLock { events in events.count { $0.message == message } } }

    static func tenant(
        _ name: String, backends: [String] = ["a"], maximumBytes: Int64? = nil, maximumAgeSeconds: Int64? = nil,
        retainSeconds: Int64 = 86_400, whenFull: WhenFull = .reject
    ) -> SpoolConfiguration {
        SpoolConfiguration(
            tenant: name, backends: backends.map { BackendRegistration(name: $0, type: "archive") },
            maximumBytes: maximumBytes, maximumAgeSeconds: maximumAgeSeconds, retainSeconds: retainSeconds,
            whenFull: whenFull)
    }
}

extension WALStore {
    func append(_ batch: Batch, tenant: String) async throws(SpoolError) -> AppendReceipt {
        let result = await withCheckedContinuation { continuation in
            append(Make.request(batch), tenant: tenant) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Takes and settles all that the backend is owed.
    ///
    /// - Returns: the points' values, in order.
    func drain(_ tenant: String, backend: String = "a") async throws(SpoolError) -> [Int] {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            var values: [Int] = []
            while let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 10_000)) {
                values.append(contentsOf: lease.values)
                try await spool.settle(lease, Make.all(lease, .delivered))
            }
            return values
        }
    }

    /// Ends like a killed process: nothing is closed, nothing is written.
    func abandon() async {
        for (_, spool) in state.withLock({ $0.open }) { await spool.abandon() }
        state.withLock { $0.isClosing = true }
    }
}

extension Batch {
    /// Points that do not compress: each takes about nine bytes stored.
    static func noise(_ points: Int, _ random: inout SeededGenerator) -> Batch {
        var batch = Make.batch(0..<0)
        for index in 0..<points {
            batch.points.appendFloat64(
                series: 0, time: SpoolFixture.start + Int64(index) * 1_000_000, bits: random.next() >> 1)
        }
        return batch
    }
}

extension StoreFixture {
    /// A store on a copy of the folder, as the next process would find it: the first one still has the lock.
    func withSecondLife(
        node: NodeConfiguration = NodeConfiguration(), _ body: (WALStore) async throws -> Void
    ) async throws {
        let copy = folder.path + "/second"
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        let time = TimeSource(
            wall: { [self] in wall.withLock { $0 } }, boot: { [self] in boot.withLock { $0 } },
            bootID: { [self] in bootID.withLock { $0 } })
        let store = try WALStore(
            directory: copy, node: node, time: time, upkeepInterval: nil, openWait: .seconds(3600)
        ) { [self] event in
            events.withLock { $0.append(event) }
        }
        try await body(store)
        await store.close()
    }
}
