import TestSupport
import Testing

@testable import Metrics

struct BatchMemoryTests {
    @Test func `a small batch that was decoded where a large one was says what it holds, and trimmed what it needs`() {
        var batch = Batch()
        for value in 0..<50_000 {
            let id = RemoteWriteMessage.label("__name__", "series \(value)").withUnsafeBytes { batch.series.intern($0) }
            batch.points.appendFloat64(series: id, time: Int64(value), bits: UInt64(value))
        }
        let large = batch.memoryBytes
        #expect(large > 50_000 * 20)
        #expect(batch.allocatedBytes >= large)
        batch.removeAll()
        for value in 0..<100 {
            let id = RemoteWriteMessage.label("__name__", "series \(value)").withUnsafeBytes { batch.series.intern($0) }
            batch.points.appendFloat64(series: id, time: Int64(value), bits: UInt64(value))
        }
        #expect(batch.allocatedBytes >= large, "the columns keep their memory for the next request")
        let trimmed = batch.trimmed()
        #expect(trimmed == batch)
        #expect(trimmed.allocatedBytes <= batch.memoryBytes + 1024)
    }
}
