import Metrics
import TestSupport
import Testing
import WALStore

/// A real store as tests of the forwarder use it, mostly with the one tenant `acme`.
extension WALStore {
    /// Commits a request of random points.
    func appendRandom(_ points: Int, tenant: String = "acme") async throws {
        var random = SeededGenerator.fresh()
        try await append(RandomBatch.make(points: points, series: 10, plainOnly: true, using: &random), tenant: tenant)
    }

    /// Commits a request.
    func append(_ batch: Batch, tenant: String = "acme") async throws {
        var decoded = DecodedRequest()
        decoded.batch = batch
        let request = AppendRequest(
            decoded: decoded, source: "test", peer: "127.0.0.1", requestID: "a request", bodyBytes: 1)
        let result = await withCheckedContinuation { continuation in
            append(request, tenant: tenant) { continuation.resume(returning: $0) }
        }
        _ = try result.get()
    }

    /// Of its one backend.
    func ledger() async throws -> BackendLedger {
        let status = try await withSpool("acme") { (spool) async throws(SpoolError) in try await spool.status() }
        return try #require(status.backends.first)
    }
}
