import Metrics
import WALStore

extension LeasedPiece {
    /// Where the point with this ordinal of the batch is stored.
    func place(of ordinal: Int) -> Place {
        Place(places.start.sequence, places.start.ordinal + Int64(ordinal - ordinals.lowerBound))
    }
}

extension Place {
    /// As the first member of a JSON record (`docs/formats.md`): `"place":"sequence.ordinal",`.
    func appendMember(to body: inout [UInt8]) {
        body.append(contentsOf: "\"place\":\"".utf8)
        NumberPrinter.append(sequence, to: &body)
        body.append(UInt8(ascii: "."))
        NumberPrinter.append(ordinal, to: &body)
        body.append(contentsOf: "\",".utf8)
    }
}
