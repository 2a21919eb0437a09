import Metrics
import WALStore

/// Points whose values are numbers that no other point has, so that each is known again.
enum NumberedPoints {
    static func batch(_ values: Range<Int>, labels: String = "m") -> Batch {
        var batch = Batch()
        var builder = LabelBuilder()
        builder.add("__name__", labels)
        do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
        for value in values {
            batch.points.appendFloat64(
                series: id, time: FaultClock.start + Int64(value) * 1_000_000, bits: UInt64(value))
        }
        return batch
    }

    static func request(_ values: Range<Int>, labels: String = "m", id: String) -> AppendRequest {
        var decoded = DecodedRequest()
        decoded.batch = batch(values, labels: labels)
        return AppendRequest(decoded: decoded, source: "json", peer: "127.0.0.1", requestID: id, bodyBytes: 100)
    }
}

extension LeasedPiece {
    /// The numbers of its points, in order.
    var values: [Int] { ordinals.map { Int(batch.points.bits[$0]) } }
}
