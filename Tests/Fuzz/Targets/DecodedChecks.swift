import Metrics
import Synchronization

@testable import Metrics
@testable import WALStore

/// What holds for every request that any decoder makes.
enum DecodedChecks {
    /// - Parameter bytes: of the decompressed body.
    static func hold(for request: DecodedRequest, bodyBytes bytes: Int) throws {
        let batch = request.batch
        try require(batch.points.count <= bytes, "\(batch.points.count) points of \(bytes) bytes")
        try require(batch.series.count <= bytes, "\(batch.series.count) series of \(bytes) bytes")
        try require(batch.points.series.allSatisfy { Int($0) < batch.series.count }, "a point's series is there")
        for id in 0..<batch.series.count {
            let isCanonical = batch.series.withLabels(of: UInt32(id)) {
                CanonicalLabels.areCanonical($0, .standard, requiresName: true)
            }
            let text = batch.series.withLabels(of: UInt32(id)) { Array($0) }
            try require(isCanonical, "labels are canonical: \(String(decoding: text, as: UTF8.self).debugDescription)")
        }
        try require(batch.exponentialHistograms.allSatisfy { $0.fault == nil }, "histograms are whole")
        try require(request.refusals.first.count <= RefusalTally.listed, "refusals are listed up to a limit")
        try survivesItsBlock(batch)
    }

    /// What is stored is what was decoded.
    static func survivesItsBlock(_ batch: Batch) throws {
        let count = batch.points.count
        let origins = count == 0 ? [] : [OriginRun(sequence: 42, firstOrdinal: 0, count: count)]
        let block = workspace.withLock { Block.encode(batch, origins: origins, workspace: $0.value) }
        let decoded = try block.withUnsafeBytes { try Block.decode($0) }
        try require(decoded == DecodedBlock(batch: batch, origins: origins), "a block gives back what it was made of")
    }

    private static let workspace = Mutex(Workspace())

    /// One for all checks of the process: making one costs more than most checks.
    /// `@unchecked`: only ever used with the lock held.
    private struct Workspace: @unchecked Sendable { let value = BlockWorkspace() }
}
