import Metrics
import Synchronization
import TestSupport

@testable import WALStore

/// A spool in a folder of its own, on threads of its own, with clocks that a test moves.
final class SpoolFixture: Sendable {
    static let start: Int64 = 1_800_000_000_000_000_000

    let folder: TemporaryFolder
    let writer = ThreadExecutor()
    let reader = ThreadExecutor()
    let cache: BlockCache
    let bases: BaseRules
    let chain: ChainKey?
    let now = Mutex(SpoolFixture.start)
    let events = Mutex<[Event]>([])

    /// - Parameter chain: the node's key, where spools keep a chain.
    init(cacheBytes: Int = 1 << 20, bases: BaseRules = BaseRules(), chain: ChainKey? = nil) throws {
        self.bases = bases
        self.chain = chain
        folder = try TemporaryFolder()
        cache = BlockCache(maximumBytes: cacheBytes, maximumSpoolBytes: cacheBytes)
    }

    deinit {
        writer.stop()
        reader.stop()
    }

    var path: String { folder.path + "/spool.db" }

    var environment: SpoolEnvironment {
        let read: @Sendable () -> Int64 = { [weak self] in self?.now.withLock { $0 } ?? 0 }
        let time = TimeSource(wall: read, boot: read, bootID: { "boot" })
        var environment = SpoolEnvironment(
            writer: writer, reader: reader, cache: cache, time: time,
            events: { [weak self] event in self?.events.withLock { $0.append(event) } })
        environment.baseRules = bases
        return environment
    }

    func configuration(_ backends: [String] = ["a"], tenant: String = "acme") -> SpoolConfiguration {
        var configuration = SpoolConfiguration(
            tenant: tenant, backends: backends.map { BackendRegistration(name: $0, type: "archive") })
        configuration.chain = chain
        return configuration
    }

    func open(_ backends: [String] = ["a"]) async throws -> Spool {
        try await Spool.open(path: path, configuration(backends), environment)
    }

    /// For a process that ends with the test: its threads are never stopped.
    static func openAlone(_ path: String) async throws -> Spool {
        let environment = SpoolEnvironment(
            writer: ThreadExecutor(), reader: ThreadExecutor(), cache: BlockCache(maximumBytes: 0))
        let backend = BackendRegistration(name: "a", type: "archive")
        return try await Spool.open(
            path: path, SpoolConfiguration(tenant: "acme", backends: [backend]), environment)
    }

    func raised(_ message: String) -> Int { events.withLock { events in events.count { $0.message == message } } }

    func advance(seconds: Int64) { now.withLock { $0 += seconds * 1_000_000_000 } }
}

/// Requests and batches, made short.
enum Make {
    /// - Parameter hasBody: it is kept as it came, too: here, the values of its points.
    static func request(_ batch: Batch, id: String = "request", hasBody: Bool = false) -> AppendRequest {
        var decoded = DecodedRequest()
        decoded.batch = batch
        return AppendRequest(
            decoded: decoded, source: "json", peer: "127.0.0.1", requestID: id, bodyBytes: 100,
            body: hasBody
                ? batch.points.bits.flatMap { bits in (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) } }
                : nil)
    }

    /// Points whose values are `values`, so that each is known again.
    ///
    /// - Parameter former: they come behind its points.
    static func batch(_ values: Range<Int>, labels: String = "m", into former: Batch = Batch()) -> Batch {
        var batch = former
        var builder = LabelBuilder()
        builder.add("__name__", labels)
        do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
        for value in values {
            batch.points.appendFloat64(
                series: id, time: SpoolFixture.start + Int64(value) * 1_000_000, bits: UInt64(value))
        }
        return batch
    }

    static func settlement(_ parts: [Settlement.Part]) -> Settlement {
        Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: SpoolFixture.start)
    }

    /// Every piece of a lease with one fate.
    static func all(_ lease: Lease, _ fate: Fate) -> Settlement {
        settlement(
            lease.pieces.indices.map {
                Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), fate)
            })
    }
}

extension Lease {
    /// The values of its points, in order.
    var values: [Int] { pieces.flatMap(\.values) }
}

extension LeasedPiece {
    /// Of its ordinals.
    var values: [Int] {
        if bodies.isEmpty { return ordinals.map { Int(batch.points.bits[$0]) } }
        return bodies.flatMap { body in
            stride(from: 0, to: body.bytes.count, by: 8).map { at in
                (0..<8).reduce(0) { $0 | Int(body.bytes[at + $1]) << (8 * $1) }
            }
        }
    }
}

extension Spool {
    func books(_ backend: String) throws -> BackendLedger {
        let found = try status().backends.first { $0.name == backend }
        guard let found else { throw SpoolError(.misuse, "no such backend") }
        return found
    }

    /// Ends like a killed process: nothing is written any more.
    func abandon() async {
        await reader.close()
        database?.connection.close()
        database = nil
    }

    /// A loss row that has nothing to do with any backend.
    func recordAnotherLoss() throws(SpoolError) {
        try transact { (database) throws(SpoolError) in
            try checked { () throws(SQLiteError) in
                try database.statements.insertLoss.run(
                    .null, .text(LossReason.spoolSetAside.rawValue), .null, .null, .null, .null, .null, .null, .null,
                    .integer(clock.at), .integer(clock.wall), .text("another loss"))
            }
        }
    }

    /// Requests that wait for a commit.
    nonisolated var queued: Int { queue.withLock { $0.appends.count } }

    var rowCount: Int64 {
        get throws { try openDatabase().connection.integer("SELECT count(*) FROM batches") ?? 0 }
    }
}
