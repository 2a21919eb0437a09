import Metrics
import Synchronization
import TestSupport

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A node with known content whose files a test damages: every point has a value of its own, and the test knows what
/// became of each before the damage.
final class RotNode: Sendable {
    static let start: Int64 = 1_800_000_000_000_000_000

    struct Known: Sendable {
        /// Value to place of every acknowledged point.
        var places: [Int: Place] = [:]
        /// By backend, what was settled, and how.
        var delivered: [String: Set<Int>] = ["a": [], "b": []]
        var dead: [String: Set<Int>] = ["a": [], "b": []]
        var nextValue = 0
    }

    let folder: TemporaryFolder
    let known = Mutex(Known())
    let wall = Mutex(RotNode.start)
    let boot = Mutex<Int64>(1_000_000_000_000)
    let bootID = Mutex("first")
    let events = Mutex<[Event]>([])

    let bases: BaseRules

    init(bases: BaseRules = .eager) throws {
        self.bases = bases
        folder = try TemporaryFolder()
    }

    var path: String { folder.path + "/data" }
    func tenantFolder(_ tenant: String = "acme") -> String { "\(path)/tenants/\(tenant)" }
    func spool(_ tenant: String = "acme") -> String { tenantFolder(tenant) + "/spool.db" }

    static func tenant(_ name: String = "acme", backends: [String] = ["a", "b"]) -> SpoolConfiguration {
        SpoolConfiguration(
            tenant: name, backends: backends.map { BackendRegistration(name: $0, type: "archive") },
            retainSeconds: 60)
    }

    func open() throws -> WALStore {
        let time = TimeSource(
            wall: { [self] in wall.withLock { $0 } }, boot: { [self] in boot.withLock { $0 } },
            bootID: { [self] in bootID.withLock { $0 } })
        return try WALStore(
            directory: path, node: NodeConfiguration(), time: time, upkeepInterval: nil, disk: Files.system.disk,
            scheduling: .patient, bases: bases
        ) { [self] event in events.withLock { $0.append(event) } }
    }

    func advance(seconds: Int64) {
        wall.withLock { $0 += seconds * 1_000_000_000 }
        boot.withLock { $0 += seconds * 1_000_000_000 }
    }

    func raised(_ message: String) -> Int { events.withLock { events in events.count { $0.message == message } } }

    // MARK: What is done to it

    /// Points that do not compress: about nine bytes each, and each known by its value.
    func batch(_ points: Int) -> Batch {
        let first = known.withLock { known in
            defer { known.nextValue += points }
            return known.nextValue
        }
        var batch = Batch()
        var builder = LabelBuilder()
        builder.add("__name__", "m")
        do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
        for value in first..<first + points {
            batch.points.appendFloat64(
                series: id, time: RotNode.start + Int64(value) * 1_000_000, bits: RotNode.bits(value))
        }
        return batch
    }

    /// The value in the low half, noise that depends on it in the high half: a garbled point is known as such.
    static func bits(_ value: Int) -> UInt64 {
        var random = SeededGenerator(seed: UInt64(value))
        return (random.next() & 0x7fff_ffff) << 32 | UInt64(value)
    }
    static func value(_ bits: UInt64) -> Int? {
        let value = Int(bits & 0xffff_ffff)
        return RotNode.bits(value) == bits ? value : nil
    }

    @discardableResult
    func append(_ points: Int, to store: WALStore, tenant: String = "acme") async throws -> Range<Int> {
        let batch = batch(points)
        var decoded = DecodedRequest()
        decoded.batch = batch
        let request = AppendRequest(
            decoded: decoded, source: "json", peer: "127.0.0.1", requestID: "request", bodyBytes: 100)
        let result = await withCheckedContinuation { continuation in
            store.append(request, tenant: tenant) { continuation.resume(returning: $0) }
        }
        let receipt = try result.get()
        let values = batch.points.bits.compactMap { RotNode.value($0) }
        var next = 0
        known.withLock { known in
            for range in receipt.places {
                for ordinal in range.start.ordinal..<range.end.ordinal {
                    known.places[values[next]] = Place(range.start.sequence, ordinal)
                    next += 1
                }
            }
        }
        return (values.first ?? 0)..<(values.last ?? -1) + 1
    }

    /// Leases once and settles: what `fate` says of each value.
    func settle(
        _ backend: String, points: Int, in store: WALStore, _ fate: @Sendable @escaping (Int) -> Fate
    ) async throws {
        try await store.withSpool("acme") { [self] (spool) async throws(SpoolError) in
            guard let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: points)) else { return }
            var parts: [Settlement.Part] = []
            var delivered: Set<Int> = []
            var dead: Set<Int> = []
            for (index, piece) in lease.pieces.enumerated() {
                for ordinal in piece.ordinals {
                    guard let value = RotNode.value(piece.batch.points.bits[ordinal]) else {
                        throw SpoolError(.unreadable, "a garbled point was leased")
                    }
                    let fate = fate(value)
                    if fate == .delivered { delivered.insert(value) }
                    if case .dead = fate { dead.insert(value) }
                    parts.append(Settlement.Part(LeasedRun(piece: index, ordinals: ordinal..<ordinal + 1), fate))
                }
            }
            let settlement = Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: RotNode.start)
            try await spool.settle(lease, settlement)
            known.withLock { known in
                known.delivered[backend]?.formUnion(delivered)
                known.dead[backend]?.formUnion(dead)
            }
        }
    }

    /// Ends like a killed process: nothing is closed, nothing is written.
    func abandon(_ store: WALStore) async {
        let open = store.state.withLock { state in
            state.isClosing = true
            return state.open
        }
        for (_, spool) in open { await spool.abandonForRot() }
        store.folder.unlock()
    }
}

extension Spool {
    fileprivate func abandonForRot() async {
        await reader.close()
        database?.connection.close()
        database = nil
    }

    var isSalvaging: Bool { salvage != nil }
}
