import Metrics
import WALStore

extension LineProtocolEncoder {
    /// Appends the points of `chunk` to `plain` as lines, and notes in `request` how many it carries and which it cannot.
    ///
    /// - Parameter record: room that is kept between calls; its content is of no use afterwards.
    static func append(
        _ chunk: Chunk, into plain: inout [UInt8], _ request: inout EncodedRequest, record: inout Record
    ) {
        for run in chunk.runs {
            record.removeAll()
            LineProtocolEncoder().append(
                chunk.pieces[run.piece].batch, run.ordinals, into: &plain, record: &record)
            for line in record.runs { request.points += line.ordinals.count }
            for point in record.unrepresentable {
                request.exclude(piece: run.piece, ordinal: point.ordinal, reason: point.reason)
            }
        }
    }
}
