/// Encodes remote write 1.0 and compresses it in one step: from columns to a snappy block.
///
/// A general compressor finds out by hashing what is known here: a sample mostly repeats the one before it in its series,
/// its time is that of a sample of the series before, and labels mostly are those of the series before but for one or two.
/// (`docs/decisions/0041-snappy-from-columns.md`)
///
/// Reuse one packer: it keeps its memory.
public struct RemoteWritePacker: Sendable {
    private var columns = SeriesColumns()
    private var elements: [UInt8] = []

    /// Of a series, on the average.
    static let fewestPoints = 8

    public init() {}

    /// Appends a block with the points of `batch`, series by series: the labels of a series once for all of its points,
    /// which keep their order. Its plain bytes are those that `RemoteWriteEncoder.append(_:_:of:into:)` appends.
    ///
    /// - Parameters:
    ///   - batch: one of which `RemoteWriteEncoder.keepsSeriesApart` is true.
    ///   - runs: ordinals, ascending.
    ///   - series: the ids that those points have.
    ///   - block: gets a whole snappy block.
    /// - Returns: points, and bytes before compression; nil, with nothing appended, where a general compressor does better:
    ///   with less than eight points a series, where labels are most of it; and for points that are not later than the first
    ///   millisecond of 1970.
    public mutating func append(
        _ batch: Batch, _ runs: some Sequence<Range<Int>>, of series: Range<Int>, into block: inout [UInt8]
    ) -> (points: Int, plainBytes: Int)? {
        guard columns.fill(batch.points, runs, of: series), columns.count > 0,
            columns.count >= RemoteWritePacker.fewestPoints * columns.seriesCount
        else { return nil }
        let plainBytes = self.plainBytes(batch.series, series)
        precondition(plainBytes <= UInt32.max, "a request is bounded long before this")
        var elements: [UInt8] = []
        swap(&elements, &self.elements)
        defer { swap(&elements, &self.elements) }
        elements.removeAll(keepingCapacity: true)
        elements.appendUninitialized(SnappyWriter.room(for: plainBytes)) { room in
            (pack(batch.series, series, plainBytes, into: room), ())
        }
        Varint.append(UInt64(plainBytes), to: &block)
        block.append(contentsOf: elements)
        return (columns.count, plainBytes)
    }

    /// - Returns: bytes of elements.
    private func pack(
        _ table: SeriesTable, _ series: Range<Int>, _ plainBytes: Int, into room: UnsafeMutableRawBufferPointer
    ) -> Int {
        columns.bits.withUnsafeBufferPointer { bits in
            columns.times.withUnsafeBufferPointer { times in
                table.labelBytes.withUnsafeBytes { bytes in
                    var pack = RemoteWritePack(columns.seriesCount, bits, times, room)
                    var from = 0
                    for (index, end) in columns.ends.enumerated() {
                        if end > from {
                            let labels = bytes[table.labelRange(of: UInt32(series.lowerBound + index))]
                            pack.append(
                                UnsafeRawBufferPointer(rebasing: labels), from..<end, columns.sizes[index])
                        }
                        from = end
                    }
                    return pack.finish(plainBytes)
                }
            }
        }
    }

    private func plainBytes(_ table: SeriesTable, _ series: Range<Int>) -> Int {
        var sum = 0
        for (index, size) in columns.sizes.enumerated() where size > 0 {
            let message = size + table.labelRange(of: UInt32(series.lowerBound + index)).count
            sum += ProtobufWriter.length(ofBytes: message)
        }
        return sum
    }
}
