import Metrics
import WALStore

/// A name for a request that is the same whenever the same points go out in the same bytes, and otherwise another one.
enum RequestKey {
    /// 160 bits of SHA-256 over the tenant, the places of the points and the body, in hexadecimal.
    static func of(_ request: EncodedRequest, _ chunk: Chunk) -> String {
        var identity = Array(chunk.tenant.utf8)
        for run in chunk.runs {
            let piece = chunk.pieces[run.piece]
            for ordinal in [run.ordinals.lowerBound, run.ordinals.upperBound] {
                let place = piece.place(of: ordinal)
                identity.append(UInt8(ascii: " "))
                NumberPrinter.append(place.sequence, to: &identity)
                identity.append(UInt8(ascii: "."))
                NumberPrinter.append(place.ordinal, to: &identity)
            }
        }
        identity += SHA256Digest.of(request.body)
        return SHA256Digest.hexadecimal(SHA256Digest.of(identity).prefix(20))
    }
}
