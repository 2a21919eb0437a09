import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// Copies of spools that are in use (rules 11, 15, 22).
@Suite struct BackupTests {
    @Test
    func `a copy made under writes is whole, has all that was acknowledged before its end, and leaves the log short`()
        async throws
    {
        let seed = SeededGenerator.fresh()
        var random = seed
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        // Some megabytes, so that it takes many steps.
        for _ in 0..<8 { _ = try await store.append(Batch.noise(50_000, &random), tenant: "acme") }
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            await spool.setWalCap(1 << 20)
        }

        // A writer that never rests while the copy is made slowly. What it writes in all is more than the log may hold.
        let running = BackupFixture.Running(fixture.request(bytesPerSecond: 2 << 20), of: store)
        await running.hasBegun()
        var sequences: [Int64] = []
        var largestLog: Int64 = 0
        let log = fixture.node.spool("acme") + "-wal"
        while !running.job.progress.phase.isOver, sequences.count < 2000 {
            let number = sequences.count
            let batch = number % 10 == 0 ? Batch.noise(20_000, &random) : Make.batch(number * 10..<number * 10 + 10)
            let receipt = try await store.append(batch, tenant: "acme")
            sequences.append(try #require(receipt.places.first).start.sequence)
            largestLog = max(largestLog, Files.system.size(log))
        }
        let outcome = await running.end
        #expect(outcome.phase == .done && outcome.missing.isEmpty, "\(outcome), seed \(seed.seed)")
        // Folded in and emptied as ever: no snapshot was held.
        #expect(largestLog < 4 << 20)
        let positionNow = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.status().acceptedPoints
        }
        await store.close()

        let backup = try BackupReader(fixture.place())
        let copy = try #require(backup.manifest.spools.first)
        try backup.verify(copy)
        #expect(copy.books.points <= positionNow)
        #expect(fixture.names(fixture.place()) == ["manifest.json", "spools"])
        #expect(fixture.names(fixture.place() + "/spools") == ["acme.db"])

        try fixture.restore(to: fixture.place("second"))
        let second = try fixture.open(fixture.place("second"))
        try await second.configure([StoreFixture.tenant("acme")])
        let there = Set(try await second.drain("acme"))
        #expect(there.count > 0)
        // The copy ends with a commit; all that was acknowledged up to it is there.
        let included = sequences.indices.filter { sequences[$0] < copy.books.nextSequence }
        #expect(included.count > 10, "nothing was written meanwhile")
        for number in included where number % 10 != 0 {
            #expect(there.isSuperset(of: number * 10..<number * 10 + 10), "request \(number), seed \(seed.seed)")
        }
        await second.close()
    }

    @Test func `commits carried over to a copy under way are not lost when one of them is rolled back`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        for number in 0..<20 {
            _ = try await spool.append(Make.request(Make.batch(number * 1000..<number * 1000 + 1000)))
        }
        let path = fixture.folder.path + "/copy.db"
        try await spool.beginCopy(to: path)
        var limit = CopyLimit(clock: Scheduling.systemMonotonic)
        limit.pages = 3
        #expect(try await !spool.copyStep(limit).isWhole)
        _ = try await spool.append(Make.request(Make.batch(50_000..<50_010)))
        await #expect(throws: SpoolError.self) { try await spool.failAfterWriting() }
        _ = try await spool.append(Make.request(Make.batch(60_000..<60_010)))
        while try await !spool.copyStep(limit).isWhole {}
        let points = try await spool.status().acceptedPoints
        #expect(try SpoolBooks.read(path, vfs: nil).points == points)
        #expect(try SpoolBooks.damage(path, vfs: nil) == nil)
        await spool.close()
    }

    @Test func `steps leave the writer to others in between, and copy no page twice`() async throws {
        var random = SeededGenerator(seed: 7)
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        for _ in 0..<10 { _ = try await spool.append(Make.request(Batch.noise(20_000, &random))) }
        try await spool.beginCopy(to: fixture.folder.path + "/copy.db")
        var limit = CopyLimit(clock: Scheduling.systemMonotonic)
        limit.pages = 32
        var last: Int64 = 0
        while true {
            let step = try await spool.copyStep(limit)
            #expect(step.pages.copied > last, "it began anew")
            #expect(step.pages.copied - last <= 32)
            last = step.pages.copied
            if step.isWhole { break }
            _ = try await spool.append(Make.request(Batch.noise(200, &random)))
            await spool.maintainNow()
        }
        #expect(try await spool.status().databaseBytes == last * 4096)
        await spool.close()
    }

    @Test func `spools that are closed, or not in the config, are copied too, and let go`() async throws {
        let fixture = try BackupFixture()
        let store = try fixture.node.open(NodeConfiguration(openSpools: 1))
        let names = ["a", "b", "c", "former"]
        try await store.configure(names.map { StoreFixture.tenant($0) })
        for name in names { _ = try await store.append(Make.batch(0..<50), tenant: name) }
        try await store.configure(names.dropLast().map { StoreFixture.tenant($0) })
        _ = try await store.append(Make.batch(50..<60), tenant: "a")
        let outcome = await fixture.backUp(store)
        #expect(outcome.phase == .done && outcome.tenantsDone == 4 && outcome.missing.isEmpty, "\(outcome)")
        let backup = try BackupReader(fixture.place())
        #expect(backup.manifest.spools.map(\.tenant) == names)
        #expect(backup.manifest.spools.map(\.books.points) == [60, 50, 50, 50])
        for spool in backup.manifest.spools { try backup.verify(spool) }
        #expect(backup.manifest.spools[0].books.backends.map(\.pendingPoints) == [60])
        #expect(store.state.withLock { $0.openCount } <= 1)
        await store.close()
    }

    @Test func `a node that was killed is backed up with what its logs hold`() async throws {
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(0..<70), tenant: "acme")
        await store.abandon()
        store.folder.unlock()
        #expect(Files.system.size(fixture.node.spool("acme") + "-wal") > 0)
        let outcome = await (try BackupJob(fixture.request(), ofStopped: fixture.node.path, node: NodeConfiguration()))
            .run()
        #expect(outcome.phase == .done && outcome.missing.isEmpty, "\(outcome)")
        try fixture.restore(to: fixture.place("second"))
        let second = try fixture.open(fixture.place("second"))
        try await second.configure([StoreFixture.tenant("acme")])
        #expect(try await second.drain("acme") == Array(0..<70))
        await second.close()
    }

    @Test func `a log that was cut while the node was down is not backed up as if it were whole`() async throws {
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme"), StoreFixture.tenant("other")])
        for tenant in ["acme", "other"] { _ = try await store.append(Make.batch(0..<70), tenant: tenant) }
        await store.abandon()
        store.folder.unlock()
        try Files.system.remove(fixture.node.spool("acme") + "-wal")
        let outcome = await (try BackupJob(fixture.request(), ofStopped: fixture.node.path, node: NodeConfiguration()))
            .run()
        #expect(outcome.phase == .done)
        #expect(outcome.missing.map(\.tenant) == ["acme"])
        #expect(try BackupReader(fixture.place()).manifest.missing == outcome.missing)
        #expect(fixture.names(fixture.place() + "/spools") == ["other.db"])
    }

    @Test func `a running node's folder is not backed up from another process`() async throws {
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        let error = #expect(throws: SpoolError.self) {
            try BackupJob(fixture.request(), ofStopped: fixture.node.path, node: NodeConfiguration())
        }
        #expect(error?.isHeldElsewhere == true)
        await store.close()
    }

    /// Time that passes as fast as somebody waits for it, while a spool takes in five pages each hundred seconds.
    private final class BusyTime: Sendable {
        private let now = Atomic<Int64>(0)
        private let store = Mutex<WALStore?>(nil)
        var seconds: Int64 { now.load(ordering: .relaxed) / 1_000_000_000 }

        var scheduling: Scheduling {
            Scheduling(
                sleep: { [self] in await pass($0) }, monotonic: { [self] in now.load(ordering: .relaxed) })
        }

        func fill(_ store: WALStore?) { self.store.withLock { $0 = store } }

        private func pass(_ duration: Duration) async {
            let before = seconds / 100
            let (whole, atto) = duration.components
            now.wrappingAdd(whole * 1_000_000_000 + atto / 1_000_000_000, ordering: .relaxed)
            guard seconds / 100 > before, let store = store.withLock({ $0 }) else { return }
            var random = SeededGenerator(seed: UInt64(before))
            _ = try? await store.append(Batch.noise(2000, &random), tenant: "acme")
        }
    }

    @Test func `a copy that a spool outgrows is given up after an hour, and those of others are made`() async throws {
        let fixture = try BackupFixture()
        let time = BusyTime()
        let store = try WALStore(
            directory: fixture.node.path, node: NodeConfiguration(), time: fixture.time, upkeepInterval: nil,
            scheduling: time.scheduling
        ) { _ in }
        try await store.configure([StoreFixture.tenant("acme"), StoreFixture.tenant("other")])
        for tenant in ["acme", "other"] {
            // Whoever waits for it to be opened would wait too long, with such a clock.
            try await store.withSpool(tenant) { _ throws(SpoolError) in }
            _ = try await store.append(Make.batch(0..<10), tenant: tenant)
        }
        time.fill(store)
        // A page each hundred seconds.
        let outcome = await fixture.backUp(store, fixture.request(bytesPerSecond: 41))
        time.fill(nil)
        #expect(outcome.missing.map(\.tenant) == ["acme"], "\(outcome) after \(time.seconds) s")
        #expect(outcome.missing.first?.reason.contains("it grows as fast as it is copied") == true, "\(outcome)")
        #expect(outcome.phase == .done && outcome.moments.keys.sorted() == ["other"])
        #expect(fixture.names(fixture.place()).contains("manifest.json"), "\(fixture.names(fixture.place()))")
        await store.close()
    }

    @Test func `an hour without coming nearer ends a copy, and each page nearer begins another`() {
        let minute: Int64 = 60_000_000_000
        var approach = CopyApproach()
        for (left, minutes, isNearer) in [
            (100, 0, true), (120, 59, true), (99, 59, true), (99, 118, true), (400, 119, false),
        ] as [(Int64, Int64, Bool)] {
            #expect(
                approach.isNearer(left, at: minutes * minute) == isNearer, "\(left) pages left after \(minutes) minutes"
            )
        }
    }

    @Test func `a backup says up to when it has all that was acknowledged`() async throws {
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(0..<10), tenant: "acme")
        fixture.node.advance(seconds: 60)
        let now = fixture.time.wall()
        #expect(await fixture.backUp(store).moments == ["acme": now])
        await store.close()
    }

    @Test func `a backup that is cancelled leaves nothing`() async throws {
        var random = SeededGenerator(seed: 3)
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        for _ in 0..<4 { _ = try await store.append(Batch.noise(50_000, &random), tenant: "acme") }
        // At this speed it would take minutes.
        let running = BackupFixture.Running(fixture.request(bytesPerSecond: 20_000), of: store)
        await running.hasBegun()
        #expect(fixture.names(fixture.shelf).contains("backup.partial"))
        running.job.cancel()
        #expect(await running.end.phase == .cancelled)
        #expect(!fixture.names(fixture.shelf).contains { $0.hasPrefix("backup") })
        #expect(await fixture.backUp(store).phase == .done)
        await store.close()
    }

    @Test func `a node that closes ends its backup, and closes its spools`() async throws {
        var random = SeededGenerator(seed: 4)
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        for _ in 0..<4 { _ = try await store.append(Batch.noise(50_000, &random), tenant: "acme") }
        let running = BackupFixture.Running(fixture.request(bytesPerSecond: 20_000), of: store)
        await running.hasBegun()
        await store.close()
        let outcome = await running.end
        #expect(outcome.phase == .failed, "\(outcome)")
        #expect(!fixture.names(fixture.shelf).contains { $0.hasPrefix("backup") })
        #expect(Files.system.size(fixture.node.spool("acme") + "-wal") == 0)
    }

    @Test func `a spool that is reopened after an input or output error is copied from the beginning`() async throws {
        var random = SeededGenerator(seed: 5)
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        for _ in 0..<4 { _ = try await store.append(Batch.noise(50_000, &random), tenant: "acme") }
        let running = BackupFixture.Running(fixture.request(bytesPerSecond: 2 << 20), of: store)
        await running.hasBegun()
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in await spool.reopen() }
        let outcome = await running.end
        #expect(outcome.phase == .done && outcome.missing.isEmpty, "\(outcome)")
        let backup = try BackupReader(fixture.place())
        for spool in backup.manifest.spools { try backup.verify(spool) }
        #expect(outcome.copiedBytes == backup.manifest.spools[0].bytes)
        await store.close()
    }

    @Test(arguments: ["inside", "taken", "relative", "partial", "detour", "nowhere"])
    func `a place that will not do is refused before anything is made`(what: String) async throws {
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(0..<10), tenant: "acme")
        try Files.system.makeFolder(fixture.place("taken"))
        try Files.system.replace(fixture.place("taken") + "/file", with: [1])
        try Files.system.makeFolder(fixture.place("half.partial"))
        let places = [
            "inside": fixture.node.path + "/backup", "taken": fixture.place("taken"), "relative": "backup",
            "partial": fixture.place("half"), "detour": fixture.place("x/../backup"),
            "nowhere": fixture.place("nowhere/backup"),
        ]
        let before = fixture.names(fixture.shelf)
        var request = fixture.request()
        request.directory = places[what] ?? ""
        let outcome = await fixture.backUp(store, request)
        #expect(outcome.phase == .failed && outcome.error != nil, "\(outcome)")
        if what == "partial" { #expect(outcome.error?.contains("half.partial is left of a backup") == true) }
        #expect(fixture.names(fixture.shelf) == before)
        await store.close()
    }

    @Test func `an empty folder is taken, and an unknown tenant is named`() async throws {
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme"), StoreFixture.tenant("other")])
        for tenant in ["acme", "other"] { _ = try await store.append(Make.batch(0..<10), tenant: tenant) }
        try Files.system.makeFolder(fixture.place())
        #expect(await fixture.backUp(store, fixture.request(tenants: ["acm"])).error?.contains("\"acm\"") == true)
        #expect(await fixture.backUp(store, fixture.request(tenants: ["other"])).phase == .done)
        #expect(try BackupReader(fixture.place()).manifest.spools.map(\.tenant) == ["other"])
        await store.close()
    }

    @Test(.enabled(if: SmallFileSystem.canBeMade))
    func `a disk that fills up ends the backup with an error and harms nothing`() async throws {
        var random = SeededGenerator(seed: 6)
        let fixture = try BackupFixture()
        let disk = try SmallFileSystem(bytes: 1 << 20)
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        for _ in 0..<4 { _ = try await store.append(Batch.noise(50_000, &random), tenant: "acme") }
        var request = fixture.request(bytesPerSecond: 1 << 20)
        request.directory = disk.path + "/backup"
        // It is seen beforehand.
        let refused = await fixture.backUp(store, request)
        #expect(refused.error?.contains("not enough room") == true, "\(refused)")

        // And when somebody else takes the room meanwhile.
        let roomy = try SmallFileSystem(bytes: 16 << 20)
        request.directory = roomy.path + "/backup"
        let running = BackupFixture.Running(request, of: store)
        await running.hasBegun()
        _ = roomy.fill()
        let outcome = await running.end
        #expect(outcome.phase == .failed && outcome.error?.contains("full") == true, "\(outcome)")
        #expect(fixture.names(roomy.path) == ["filler"])
        _ = try await store.append(Make.batch(0..<10), tenant: "acme")
        await store.close()
    }

    @Test func `files are the owner's alone`() async throws {
        let fixture = try BackupFixture()
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(0..<10), tenant: "acme")
        #expect(await fixture.backUp(store).phase == .done)
        for (path, mode) in [("", 0o700), ("/spools", 0o700), ("/manifest.json", 0o600), ("/spools/acme.db", 0o600)] {
            #expect(try FileMode.of(fixture.place() + path) == mode, "\(path)")
        }
        await store.close()
    }
}

extension Spool {
    /// Checkpoints as often as a busy spool would.
    func setWalCap(_ bytes: Int64) { upkeep.walCapBytes = bytes }

    func maintainNow() { checkpointIfDue(isIdle: true) }

    /// What is done after an error of the disk.
    func reopen() {
        _ = recover(from: SQLiteError(code: 10, operation: "test", message: "an error of the disk"))
        reopenings = 0
    }

    /// A transaction that has written more than the page cache holds, and fails.
    func failAfterWriting() throws(SpoolError) {
        try transact { (database) throws(SpoolError) in
            try checked { () throws(SQLiteError) in
                for _ in 0..<400 {
                    try Statement(
                        "INSERT INTO events (kind, at, wall, detail) VALUES ('test', 0, 0, hex(randomblob(4000)))",
                        on: database.connection
                    ).run()
                }
            }
            throw SpoolError(.misuse, "as a test wants it")
        }
    }
}
