import Metrics
import TestSupport

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

extension FuzzTarget {
    /// A spool's file with pages that rotted: each patch is a place (three bytes), a length and its bytes. It opens or it
    /// is refused, and then does its work or says why not; it never traps.
    static let spoolPages = FuzzTarget(
        "spool_pages", maximumBytes: 512,
        seeds: { [[], [0, 0, 24, 4, 9, 9, 9, 9], [0, 16, 0, 2, 13, 0], [1, 0, 100, 1, 255, 2, 0, 0, 1, 0]] }
    ) { bytes in
        var input = FuzzInput(bytes)
        var file = SpoolBench.shared.image
        while !input.isEmpty {
            let at = (Int(input.byte()) << 16 | Int(input.byte()) << 8 | Int(input.byte())) % file.count
            let patch = input.take(Int(input.byte() & 63))
            for (index, byte) in patch.enumerated() where at + index < file.count { file[at + index] = byte }
        }
        try SpoolBench.shared.work(on: file, changes: [])
    }

    /// A spool whose pages are sound and whose rows lie: each change is a table, a column, a row and a value, written past
    /// every CHECK.
    static let spoolCells = FuzzTarget(
        "spool_cells", maximumBytes: 128,
        seeds: { SpoolBench.shared.seeds }
    ) { bytes in
        var input = FuzzInput(bytes)
        var changes: [SpoolBench.Change] = []
        while !input.isEmpty, changes.count < 8 { changes.append(SpoolBench.shared.change(from: &input)) }
        try SpoolBench.shared.work(on: SpoolBench.shared.image, changes: changes)
    }
}

/// Threads, a folder in memory where there is one, and the file of a spool that has seen something of everything.
final class SpoolBench: Sendable {
    static let shared = SpoolBench()

    let image: [UInt8]
    private let columns: [(table: String, column: String)]
    private let folder: TemporaryFolder
    private let writer = ThreadExecutor()
    private let reader = ThreadExecutor()

    private init() {
        do {
            folder = try TemporaryFolder()
            let path = folder.path + "/model.db"
            let (writer, reader) = (self.writer, self.reader)
            let made = OwnThread.wait { () -> Result<Void, any Error> in
                do { return .success(try await SpoolBench.fill(path, writer, reader)) } catch { return .failure(error) }
            }
            try made.get()
            image = try SpoolBench.read(path)
            columns = try SpoolBench.columns(of: path)
        } catch {
            preconditionFailure("no model spool: \(error)")
        }
    }

    // MARK: The model

    private static func configuration(_ backends: [String]) -> SpoolConfiguration {
        SpoolConfiguration(
            tenant: "acme", backends: backends.map { BackendRegistration(name: $0, type: "archive") },
            maximumBytes: 64 << 20, maximumAgeSeconds: 3600, retainSeconds: 60)
    }

    private static func environment(
        _ writer: ThreadExecutor, _ reader: ThreadExecutor, now: Int64 = 0
    ) -> SpoolEnvironment {
        let wall: @Sendable () -> Int64 = { 1_800_000_000_000_000_000 + now }
        var environment = SpoolEnvironment(
            writer: writer, reader: reader, cache: BlockCache(maximumBytes: 0, maximumSpoolBytes: 0),
            time: TimeSource(wall: wall, boot: wall, bootID: { "boot" }))
        environment.baseRules = .eager
        return environment
    }

    /// Batches that are delivered, dead, excluded, released and never leased, for a backend that stays and one that left.
    private static func fill(_ path: String, _ writer: ThreadExecutor, _ reader: ThreadExecutor) async throws {
        var spool = try await Spool.open(path: path, configuration(["a", "gone"]), environment(writer, reader))
        for number in 0..<UInt64(6) { _ = try await spool.append(request(number)) }
        let fates: [Fate] = [
            .delivered, .dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400)), .released,
            .excluded(reason: "rule"), .assumed,
        ]
        for fate in fates {
            guard let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 3)) else { break }
            try await settle(lease, fate, spool, route: StoredRoute(RouteRules(sample: 0.5)))
        }
        try await spool.setRetryState(RetryState(mode: .backingOff, attempts: 3), backend: "a")
        await spool.close()
        spool = try await Spool.open(path: path, configuration(["a"]), environment(writer, reader))
        _ = try await spool.append(request(7))
        await spool.close()
    }

    private static func request(_ number: UInt64) -> AppendRequest {
        var random = SeededGenerator(seed: number)
        var decoded = DecodedRequest()
        decoded.batch = RandomBatch.make(points: 5, series: 2, using: &random)
        if number == 3 { decoded.refusals.add(Refusal(.invalidTime, points: 1, detail: "a time out of range")) }
        return AppendRequest(decoded: decoded, source: "json", peer: "unix", requestID: "r\(number)", bodyBytes: 100)
    }

    /// - Parameter route: keeps one point of each piece back.
    private static func settle(
        _ lease: Lease, _ fate: Fate, _ spool: Spool, route: StoredRoute? = nil
    ) async throws {
        let isRouted = route != nil && (fate == .delivered || fate == .assumed)
        let parts = lease.pieces.indices.map { piece in
            let ordinals = lease.pieces[piece].ordinals
            return Settlement.Part(
                LeasedRun(piece: piece, ordinals: ordinals), fate, excluded: isRouted ? min(1, ordinals.count) : 0)
        }
        var settlement = Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: 1)
        settlement.route = route
        try await spool.settle(lease, settlement)
    }

    private static func columns(of path: String) throws -> [(table: String, column: String)] {
        let connection = try Connection(path: path, access: .readWrite)
        defer { connection.close() }
        var found: [(String, String)] = []
        try Statement(
            """
            SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'
                AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.cid
            """, on: connection
        ).rows { row in
            found.append((row.text(0), row.text(1)))
            return true
        }
        return found
    }

    // MARK: Damage and work

    struct Change: Sendable {
        var statement: String
    }

    /// Values that arithmetic trips over.
    private static let values = [
        "9223372036854775807", "-9223372036854775808", "-1", "0", "1", "9223372036854775806", "4611686018427387904",
        "NULL", "'text'", "x'00'", "1e300", "4294967296",
    ]

    /// For every column there is the largest and the smallest number in all of its rows, and a few longer ones.
    var seeds: [[UInt8]] {
        let columns = columns.indices.map { UInt8($0) }
        return columns.map { [$0] } + columns.map { [$0, 0, 1] }
            + (0..<24).map { [$0, 3, 0, $0 % 9, 1, 2, 3, 4, 5, 6, 7, 8] } + [[]]
    }

    func change(from input: inout FuzzInput) -> Change {
        let (table, column) = columns[Int(input.byte()) % columns.count]
        let row = input.byte()
        let choice = Int(input.byte())
        let value =
            choice < 128
            ? SpoolBench.values[choice % SpoolBench.values.count]
            : choice < 192
                ? "\(Int64(truncatingIfNeeded: input.word()))" : "\(column) + \(Int8(bitPattern: input.byte()))"
        // A row, or every one of them.
        let place = row & 1 == 0 ? "" : " WHERE rowid = (SELECT rowid FROM \(table) LIMIT 1 OFFSET \(row >> 1 & 7))"
        return Change(statement: "UPDATE OR REPLACE \(table) SET \(column) = \(value)\(place)")
    }

    /// - Throws: a `FuzzFinding` when the spool opened and its books do not balance.
    func work(on file: [UInt8], changes: [Change]) throws {
        let path = folder.path + "/spool.db"
        for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) }
        try SpoolBench.write(path, file)
        if !changes.isEmpty {
            let connection = try Connection(path: path, access: .readWrite)
            try connection.execute("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
            for change in changes { try? connection.execute(change.statement) }
            connection.setCheckpointOnClose(true)
            connection.close()
        }
        let (writer, reader) = (self.writer, self.reader)
        let finding = OwnThread.wait { () -> FuzzFinding? in
            do {
                try await SpoolBench.use(path, writer, reader)
                return nil
            } catch let finding as FuzzFinding {
                return finding
            } catch {
                return nil
            }
        }
        if let finding { throw finding }
    }

    private static func use(_ path: String, _ writer: ThreadExecutor, _ reader: ThreadExecutor) async throws {
        // A day later: ages and retention have something to do.
        let environment = environment(writer, reader, now: 86_400_000_000_000)
        let spool = try await Spool.open(path: path, configuration(["a", "new"]), environment)
        var failure: FuzzFinding?
        do {
            try balance(try await spool.status())
            for fate in [Fate.delivered, .dead(DeadLetterReason(code: "refused", excerpt: "", status: 400)), .released]
            {
                guard let lease = try? await spool.lease(backend: "a", limit: LeaseLimit(points: 7)) else { break }
                // A settle alone waits for company; an append's commit takes it along.
                async let settled: Void? = try? settle(lease, fate, spool)
                _ = try? await spool.append(request(9))
                await settled
            }
            for letter in (try? await spool.deadLetters()) ?? [] { _ = try? await spool.deadLetterPoint(letter.id) }
            _ = try? await spool.losses()
            try? await spool.maintain()
            if let status = try? await spool.status() { try balance(status) }
            if let audit = try? AuditDatabase(AuditFile(path: path, isImmutable: false), skipsDamage: true) {
                let all = #"{__name__=~".*"}"#
                for request in [FateRequest(selector: all), FateRequest(received: 0 ..< .max)] {
                    _ = try? audit.fates(request, AuditLimits(time: .seconds(10)))
                }
            }
        } catch let finding as FuzzFinding {
            failure = finding
        } catch {}
        await spool.close()
        if let failure { throw failure }
    }

    private static func balance(_ status: SpoolStatus) throws {
        for backend in status.backends {
            try require(backend.balances, "the books of \(backend.name) balance: \(backend)")
            try require(backend.pendingPoints >= 0, "nothing below zero is pending: \(backend)")
        }
    }

    // MARK: Files, while no spool has them open

    private static func read(_ path: String) throws -> [UInt8] {
        guard let bytes = try Files.system.read(path, limit: 8 << 20) else {
            throw FuzzFinding("the model has no file")
        }
        return bytes
    }

    private static func write(_ path: String, _ bytes: [UInt8]) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(file) }
        let written = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        try require(written == bytes.count, "the scratch folder has room")
    }
}
