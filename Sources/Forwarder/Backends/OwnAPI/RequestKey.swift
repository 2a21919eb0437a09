import CCrypto
import Metrics
import WALStore

/// A name for a request that is the same whenever the same points go out in the same bytes, and otherwise another one.
enum RequestKey {
    private static let hex = Array("0123456789abcdef".utf8)

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
        identity += sha256(request.body)
        var text: [UInt8] = []
        for byte in sha256(identity).prefix(20) { text += [hex[Int(byte >> 4)], hex[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    private static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Int(SHA256_DIGEST_LENGTH)) { digest, count in
            bytes.withUnsafeBufferPointer { _ = SHA256($0.baseAddress, $0.count, digest.baseAddress) }
            count = Int(SHA256_DIGEST_LENGTH)
        }
    }
}
