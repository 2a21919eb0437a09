import Metrics
import WALStore

/// The id of a message: the same whenever the same points are sent again, another one for anything else.
///
/// `tenant.first-last.digest`: the places of the first and the last point, and 128 bits of SHA-256 over the target (a subject or
/// topic), a zero and the payload before compression, in hexadecimal. A place is told apart only on its node, and of one
/// spool (a folder that was deleted, a backup that was put back, a second node with the same tenant): a broker that drops
/// what has an id it knows would then drop new points for old ones. With the payload in it, what has the same id says the same; with the target, it says so in the same
/// place: a stream compares the ids of all its subjects.
enum MessageID {
    static let digestBytes = 16

    /// - Parameter target: where it goes, without a zero in it.
    static func of(_ chunk: Chunk, to target: String, _ payload: [UInt8]) -> String {
        var id = Array(chunk.tenant.utf8)
        let runs = chunk.runs.filter { !$0.ordinals.isEmpty }
        if let first = runs.first, let last = runs.last {
            append(chunk.pieces[first.piece].place(of: first.ordinals.lowerBound), after: ".", to: &id)
            append(chunk.pieces[last.piece].place(of: last.ordinals.upperBound - 1), after: "-", to: &id)
        }
        id.append(UInt8(ascii: "."))
        let digest = SHA256Digest.of(Array(target.utf8) + [0] + payload)
        id.append(contentsOf: SHA256Digest.hexadecimal(digest.prefix(digestBytes)).utf8)
        return String(decoding: id, as: UTF8.self)
    }

    private static func append(_ place: Place, after separator: Unicode.Scalar, to id: inout [UInt8]) {
        id.append(UInt8(ascii: separator))
        NumberPrinter.append(place.sequence, to: &id)
        id.append(UInt8(ascii: "_"))
        NumberPrinter.append(place.ordinal, to: &id)
    }
}
