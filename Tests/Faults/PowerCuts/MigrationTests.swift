import Metrics
import TestSupport
import Testing

@testable import WALStore

/// A released file becomes one of a later schema on a disk that loses power, or fails, at each of its calls (P1, P2;
/// rule 22): one transaction, so the old version whole or the new one whole.
struct MigrationTests {
    private static let path = "/data/spool.db"

    /// Adds a table and changes every row of another: what was done twice, or by half, would show.
    private static let next = Schema(
        versions: Schema.released.versions + [
            Array(
                """
                CREATE TABLE notes (sequence INTEGER PRIMARY KEY, points INTEGER NOT NULL) STRICT;
                INSERT INTO notes SELECT sequence, points FROM batches;
                UPDATE receipts SET peer = peer || '+';
                """.utf8)
        ])

    /// A machine with a spool that version 1 left behind, killed.
    private struct Machine {
        let disk: SimulatedDisk
        let clock = FaultClock()
        let writer = ThreadExecutor()
        let reader = ThreadExecutor()

        init(seed: UInt64) throws {
            disk = SimulatedDisk(seed: seed)
            let released = ReleasedSpool(version: 1)
            disk.put(try released.database, at: MigrationTests.path)
            disk.put(try released.log, at: MigrationTests.path + "-wal")
        }

        func open() async throws(SpoolError) -> Spool {
            var environment = SpoolEnvironment(
                writer: writer, reader: reader, cache: BlockCache(maximumBytes: 0), time: clock.source)
            environment.files = Files(disk.mount())
            environment.schema = MigrationTests.next
            return try await Spool.open(
                path: MigrationTests.path,
                SpoolConfiguration(tenant: "acme", backends: [BackendRegistration(name: "a", type: "archive")]),
                environment)
        }

        func stop() {
            writer.stop()
            reader.stop()
        }
    }

    /// After whatever happened: migrated once, all there.
    private static func check(_ machine: Machine) async throws {
        let spool = try await machine.open()
        let truth = try await spool.truth()
        #expect(truth.integrity == "ok")
        #expect(truth.rows.flatMap(\.values) == Array(0..<80))
        let found = try await spool.read([
            "PRAGMA user_version", "SELECT count(*) FROM notes", "SELECT sum(points) FROM notes",
            "SELECT count(*) FROM receipts WHERE peer = '127.0.0.1+'",
        ])
        #expect(found == [MigrationTests.next.newest, 5, 80, 5], "\(found)")
        #expect(try await spool.status().backends.allSatisfy { $0.balances })
        await spool.close()
    }

    @Test func `whenever the power goes off, a migration is done whole or not at all`() async throws {
        for call in 1... {
            let machine = try Machine(seed: TestSeed.first + UInt64(call))
            defer { machine.stop() }
            machine.disk.cutPower(atCall: call, of: DiskCall.changes)
            do throws(SpoolError) { await (try await machine.open()).abandon() } catch {}
            guard machine.disk.isOff else {
                machine.disk.cutPower(atCall: .max)
                #expect(call > 3, "hardly a call was made")
                return try await MigrationTests.check(machine)
            }
            machine.disk.restart(.powerCut)
            machine.clock.reboot()
            try await MigrationTests.check(machine)
        }
    }

    @Test(arguments: [DiskFault.Kind.inputOutput, .full, .shortWrite, .shortRead, .syncDropsPages, .syncKeepsPages])
    func `a migration that the disk fails is done at the next open`(_ kind: DiskFault.Kind) async throws {
        for call in 1... {
            let machine = try Machine(seed: TestSeed.first + UInt64(call))
            defer { machine.stop() }
            machine.disk.inject(DiskFault(kind, atCall: call))
            do throws(SpoolError) { await (try await machine.open()).abandon() } catch {}
            let hasMet = machine.disk.hasMetFault
            machine.disk.inject(nil)
            machine.disk.restart(.kill)
            try await MigrationTests.check(machine)
            if !hasMet {
                #expect(call > 1, "no call was met")
                return
            }
        }
    }
}

extension Spool {
    fileprivate func read(_ questions: [String]) throws -> [Int64] {
        try questions.map { try openDatabase().connection.integer($0) ?? -1 }
    }
}
