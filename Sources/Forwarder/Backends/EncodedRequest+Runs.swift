import Metrics
import WALStore

extension EncodedRequest {
    /// Makes it empty; the body keeps its memory.
    mutating func reset() {
        body.removeAll(keepingCapacity: true)
        rawBytes = 0
        points = 0
        isSmallerWithFewerPoints = true
        items.removeAll(keepingCapacity: true)
        lines.removeAll()
        counters = CounterBook()
        pushed.removeAll(keepingCapacity: true)
        exposed.removeAll(keepingCapacity: true)
        messageID = ""
        remoteWrite = RemoteWriteShape()
        excluded.removeAll(keepingCapacity: true)
        dead.removeAll(keepingCapacity: true)
        earliest = .max
    }

    /// Makes the body of what was written, packed with gzip where that is wanted.
    mutating func fill(_ plain: [UInt8], isCompressed: Bool) {
        rawBytes = plain.count
        if isCompressed {
            plain.withUnsafeBytes { Gzip.compress($0, level: 1, into: &body) }
        } else {
            body.append(contentsOf: plain)
        }
    }

    /// Notes a point of `piece` that is in no body; neighbours with one reason are one run.
    mutating func exclude(piece: Int, ordinal: Int, reason: String) {
        if let last = excluded.last, last.reason == reason, last.run.piece == piece,
            last.run.ordinals.upperBound == ordinal
        {
            excluded[excluded.count - 1].run.ordinals = last.run.ordinals.lowerBound..<ordinal + 1
        } else {
            excluded.append((LeasedRun(piece: piece, ordinals: ordinal..<ordinal + 1), reason))
        }
    }

    /// Notes a point of `piece` that is in no body and dead; neighbours with one reason are one run.
    mutating func bury(piece: Int, ordinal: Int, code: String, excerpt: String) {
        if let last = dead.last, last.reason.code == code, last.reason.excerpt == excerpt, last.run.piece == piece,
            last.run.ordinals.upperBound == ordinal
        {
            dead[dead.count - 1].run.ordinals = last.run.ordinals.lowerBound..<ordinal + 1
        } else {
            let reason = DeadLetterReason(code: code, excerpt: excerpt, status: 0)
            dead.append((LeasedRun(piece: piece, ordinals: ordinal..<ordinal + 1), reason))
        }
    }
}
