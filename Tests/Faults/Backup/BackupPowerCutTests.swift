import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// The power goes off, or the process dies, at each call that changes the disk, while a backup is made or restored.
struct BackupPowerCutTests {
    /// How the machine, or only the process, ends at a call.
    enum End: CaseIterable {
        case powerCut
        /// From that call on nothing is changed any more; what was written is there.
        case kill

        func plan(at call: Int, on disk: SimulatedDisk) {
            switch self {
            case .powerCut: disk.cutPower(atCall: call, of: DiskCall.changes)
            case .kill:
                disk.inject(DiskFault(.inputOutput, atCall: call, count: .max, calls: DiskCall.changes))
            }
        }

        func wasMet(on disk: SimulatedDisk) -> Bool { self == .powerCut ? disk.isOff : disk.hasMetFault }

        func restart(_ disk: SimulatedDisk, _ clock: FaultClock) {
            disk.inject(nil)
            disk.restart(self == .powerCut ? .powerCut : .kill)
            if self == .powerCut { clock.reboot() }
        }
    }

    private static let directory = "/data"
    private static let place = "/backup"

    // MARK: Backup

    /// While this backup is made requests come in between its steps.
    private final class BackupRun: Sendable {
        let disk: SimulatedDisk
        let clock = FaultClock()
        let acknowledged = Mutex<Set<Int>>([])

        init(_ seed: UInt64) { disk = SimulatedDisk(seed: seed) }

        func append(_ number: Int, _ store: WALStore) async {
            guard case .stored = await Attempted.append(store, FaultStore.batch(number * 10..<number * 10 + 10), "acme")
            else { return }
            _ = acknowledged.withLock { $0.insert(number) }
        }
    }

    @Test(arguments: End.allCases)
    func `a backup that ends with the machine harms nothing, and is not taken for one`(end: End) async throws {
        var call = 1
        while try await backUp(call, end) { call += 1 }
        #expect(call > 20, "a backup makes more calls than that")
    }

    /// - Returns: whether the cut met the backup.
    private func backUp(_ call: Int, _ end: End) async throws -> Bool {
        let run = BackupRun(UInt64(call))
        let current = Mutex<WALStore?>(nil)
        let appended = Mutex(0)
        let ticks = Atomic<Int64>(0)
        // A clock that counts looks at it: the same steps on any machine. Whoever waits has a request come in.
        let scheduling = Scheduling(
            sleep: { _ in
                let number = appended.withLock { number -> Int? in
                    guard number < 3 else { return nil }
                    number += 1
                    return number
                }
                if let number, let store = current.withLock({ $0 }) { await run.append(100 + number, store) }
            }, monotonic: { ticks.add(1, ordering: .relaxed).newValue })
        let store = try WALStore(
            directory: Self.directory, node: NodeConfiguration(writerThreads: 1, readerThreads: 1),
            time: run.clock.source, upkeepInterval: nil, disk: run.disk.mount(), scheduling: scheduling,
            bases: .eager, events: { _ in })
        current.withLock { $0 = store }
        try await store.configure([FaultStore.tenant("acme")])
        for number in 1...3 { await run.append(number, store) }
        end.plan(at: call, on: run.disk)
        let job = BackupJob(
            BackupRequest(
                directory: Self.place, bytesPerSecond: 20 * 8 * 4096, node: "test", programVersion: "test"), of: store)
        let outcome = await job.run()
        let wasMet = end.wasMet(on: run.disk)
        current.withLock { $0 = nil }
        await store.abandon()
        end.restart(run.disk, run.clock)

        let files = Files(run.disk.mount())
        if try files.exists(Self.place) {
            // It has its name: then it is whole, whether or not anybody was told.
            let backup = try BackupReader(Self.place, on: files)
            for spool in backup.manifest.spools { try backup.verify(spool) }
        } else {
            #expect(outcome.phase != .done, "call \(call): a backup that was said to be done is gone")
        }
        let second = try WALStore(
            directory: Self.directory, node: NodeConfiguration(), time: run.clock.source, upkeepInterval: nil,
            disk: files.disk, events: { _ in })
        try await second.configure([FaultStore.tenant("acme")])
        let values = Set(try await second.drain("acme"))
        for number in run.acknowledged.withLock({ $0 }) {
            #expect(values.isSuperset(of: number * 10..<number * 10 + 10), "call \(call): request \(number)")
        }
        #expect(try await second.spoolStatus("acme").setAsideFiles == 0)
        await second.close()
        return wasMet
    }

    // MARK: Restore

    @Test(arguments: End.allCases)
    func `a restore that ends with the machine leaves the old spool or the new one, whole`(end: End) async throws {
        var (call, outcomes) = (1, Set<Int>())
        while let points = try await restore(call, end) {
            outcomes.insert(points)
            call += 1
        }
        #expect(call > 20, "a restore makes more calls than that")
        #expect(outcomes == [20, 50], "both ends have to be seen")
    }

    /// A node of 50 points is given back its 20 of before; the n-th call is the last one of the machine.
    ///
    /// - Returns: how many points the spool has after the restart; nil when the cut came too late to meet the restore.
    private func restore(_ call: Int, _ end: End) async throws -> Int? {
        let disk = SimulatedDisk(seed: UInt64(call))
        let clock = FaultClock()
        func open() throws -> WALStore {
            try WALStore(
                directory: Self.directory, node: NodeConfiguration(), time: clock.source, upkeepInterval: nil,
                disk: disk.mount(), bases: .eager, events: { _ in })
        }
        let store = try open()
        try await store.configure([FaultStore.tenant("acme")])
        _ = try await store.append(FaultStore.batch(0..<20), "acme")
        let job = BackupJob(
            BackupRequest(directory: Self.place, node: "test", programVersion: "test"), of: store)
        #expect(await job.run().phase == .done)
        _ = try await store.append(FaultStore.batch(20..<50), "acme")
        let last = try await store.spoolStatus("acme").lastSequence
        await store.close()

        end.plan(at: call, on: disk)
        let files = Files(disk.mount())
        func restoreAll(_ files: Files) throws(SpoolError) {
            let backup = try BackupReader(Self.place, on: files)
            let target = try RestoreTarget(Self.directory, node: NodeConfiguration(), time: clock.source, on: files)
            for spool in backup.manifest.spools { _ = try target.restore(spool, from: backup, replacing: true) }
        }
        var wasSaid = true
        do throws(SpoolError) { try restoreAll(files) } catch { wasSaid = false }
        guard end.wasMet(on: disk) else { return nil }
        end.restart(disk, clock)

        let second = try open()
        try await second.configure([FaultStore.tenant("acme")])
        let receipt = try await second.append(FaultStore.batch(900..<901), "acme")
        #expect(try #require(receipt.places.first).start.sequence > last, "call \(call): a sequence came back")
        var values = try await second.drain("acme")
        #expect(values.popLast() == 900)
        #expect([20, 50].contains(values.count) && values == Array(0..<values.count), "call \(call): \(values)")
        if wasSaid { #expect(values.count == 20, "call \(call): said to be restored") }
        let status = try await second.spoolStatus("acme")
        #expect(status.lossRows == 0 && status.salvaging == 0, "call \(call)")
        await second.close()
        let left = disk.paths.filter { $0.contains("spool.db.restored") || $0.hasSuffix("/restore") }
        #expect(left.isEmpty, "call \(call): \(left)")

        // Once more, on what is left.
        try restoreAll(Files(disk.mount()))
        let third = try open()
        try await third.configure([FaultStore.tenant("acme")])
        #expect(try await third.drain("acme") == Array(0..<20), "call \(call)")
        await third.close()
        return values.count
    }
}
