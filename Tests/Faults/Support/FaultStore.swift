import Metrics
import Synchronization
import TestSupport

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A node in a folder that a test chooses, with clocks that a test moves; upkeep runs only when it is called.
final class FaultStore: Sendable {
    static let start: Int64 = 1_800_000_000_000_000_000

    let path: String
    let wall = Mutex(FaultStore.start)
    let boot = Mutex<Int64>(1_000_000_000_000)
    let events = Mutex<[Event]>([])

    init(_ path: String) { self.path = path }

    var time: TimeSource {
        TimeSource(
            wall: { [self] in wall.withLock { $0 } }, boot: { [self] in boot.withLock { $0 } }, bootID: { "boot" })
    }

    func open(_ node: NodeConfiguration = NodeConfiguration()) throws -> WALStore {
        try WALStore(directory: path, node: node, time: time, upkeepInterval: nil, scheduling: .patient) {
            [self] event in events.withLock { $0.append(event) }
        }
    }

    /// For a disk whose reserve and budget do not matter.
    func openUnlimited() throws -> WALStore {
        try WALStore(
            directory: path, node: NodeConfiguration(maximumBytes: 1 << 40, freeSpaceReservePercent: 0), time: time,
            upkeepInterval: nil, disk: Files.system.disk,
            measure: { _ throws(SpoolError) in DiskSpace(totalBytes: 1 << 40, freeBytes: 1 << 39) },
            scheduling: .patient
        ) { [self] event in events.withLock { $0.append(event) } }
    }

    func advance(seconds: Int64) {
        wall.withLock { $0 += seconds * 1_000_000_000 }
        boot.withLock { $0 += seconds * 1_000_000_000 }
    }

    func raised(_ message: String) -> Int { events.withLock { events in events.count { $0.message == message } } }

    static func tenant(
        _ name: String, backends: [String] = ["a"], maximumBytes: Int64? = nil, retainSeconds: Int64 = 86_400,
        whenFull: WhenFull = .reject
    ) -> SpoolConfiguration {
        SpoolConfiguration(
            tenant: name, backends: backends.map { BackendRegistration(name: $0, type: "archive") },
            maximumBytes: maximumBytes, retainSeconds: retainSeconds, whenFull: whenFull)
    }

    /// Points whose values are `values`, a millisecond apart. Their bits are scrambled: each takes about nine bytes
    /// stored, and is known again (`value(of:)`).
    static func batch(_ values: Range<Int>) -> Batch {
        var batch = Batch()
        var builder = LabelBuilder()
        builder.add("__name__", "m")
        do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
        for value in values {
            batch.points.appendFloat64(series: id, time: time(of: value), bits: UInt64(value) &* FaultStore.odd)
        }
        return batch
    }

    static func time(of value: Int) -> Int64 { start + Int64(value) * 1_000_000 }

    private static let odd: UInt64 = 0x9E37_79B9_7F4A_7C15
    /// `odd * inverse == 1` in 64 bits: x(2 - ax), five times, doubles the right bits each time.
    private static let inverse: UInt64 = {
        var x = odd
        for _ in 0..<6 { x = x &* (2 &- odd &* x) }
        return x
    }()
    static func value(of bits: UInt64) -> Int { Int(truncatingIfNeeded: bits &* inverse) }
}

extension WALStore {
    func append(_ batch: Batch, _ tenant: String) async throws(SpoolError) -> AppendReceipt {
        var decoded = DecodedRequest()
        decoded.batch = batch
        let request = AppendRequest(
            decoded: decoded, source: "json", peer: "127.0.0.1", requestID: "request", bodyBytes: 100)
        let result = await withCheckedContinuation { continuation in
            append(request, tenant: tenant) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Takes and settles what the backend is owed, at most `limit` points.
    ///
    /// - Returns: the points' values, in order.
    func drain(
        _ tenant: String, backend: String = "a", limit: Int = .max, fate: Fate = .delivered
    ) async throws(SpoolError) -> [Int] {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            var values: [Int] = []
            while values.count < limit {
                let points = min(10_000, limit - values.count)
                guard let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: points)) else {
                    break
                }
                values += lease.pieces.flatMap { piece in
                    piece.ordinals.map { FaultStore.value(of: piece.batch.points.bits[$0]) }
                }
                let parts = lease.pieces.indices.map {
                    Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), fate)
                }
                try await spool.settle(
                    lease, Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: FaultStore.start))
            }
            return values
        }
    }

    func spoolStatus(_ tenant: String) async throws(SpoolError) -> SpoolStatus {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.status() }
    }

    func allLosses(_ tenant: String) async throws(SpoolError) -> [Loss] {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            var losses: [Loss] = []
            while true {
                let next = try await spool.losses(after: losses.last?.id ?? 0, limit: 1000)
                if next.isEmpty { return losses }
                losses += next
            }
        }
    }

    /// Ends like a killed process: nothing is closed, nothing is written. The folder may be opened again.
    func dieAtOnce() async {
        for (_, spool) in state.withLock({ $0.open }) { await spool.dieAtOnce() }
        state.withLock { $0.isClosing = true }
        folder.unlock()
    }
}

extension Spool {
    fileprivate func dieAtOnce() async {
        await reader.close()
        database?.connection.close()
        database = nil
    }
}

/// One request that may have been answered with success.
enum Attempted {
    case stored(AppendReceipt)
    case refused(SpoolError)

    static func append(_ store: WALStore, _ batch: Batch, _ tenant: String) async -> Attempted {
        do throws(SpoolError) { return .stored(try await store.append(batch, tenant)) } catch { return .refused(error) }
    }
}
