import Metrics
import Synchronization
import TestSupport

@testable import Metrics

extension FuzzTarget {
    /// Remote write 1.0, decompressed: what is decoded can be stored, and what is sent on says the same.
    static let remoteWrite = FuzzTarget("remote_write", seeds: { RemoteWriteSeeds.all }) { body in
        var decoder = RemoteWriteDecoder()
        var request = DecodedRequest()
        var reused = DecodedRequest()
        reusedRemoteWrite.withLock { decoder in try? decoder.decode(body, into: &reused) }
        do { try decoder.decode(body, into: &request) } catch {
            try require(reused == request, "what was decoded before changes nothing")
            try require(request == DecodedRequest(), "nothing is left of a body that was refused")
            return
        }
        try require(reused == request, "what was decoded before changes nothing")
        try DecodedChecks.hold(for: request, bodyBytes: body.count)
        let batch = request.batch
        var encoder = RemoteWriteEncoder()
        var sent: [UInt8] = []
        let counts = encoder.append(batch, 0..<batch.points.count, into: &sent)
        try require(counts.points + counts.excluded.count == batch.points.count, "every point is sent or excluded")
        var again = DecodedRequest()
        try sent.withUnsafeBytes { try decoder.decode($0, into: &again) }
        try require(again.refusals.isEmpty, "what we send is refused by nobody: \(again.refusals)")
        try require(again.batch.points.count == counts.samples, "every sample arrives")
        try require(again.batch.exemplars.count == counts.exemplars, "every exemplar arrives")
    }

    private static let reusedRemoteWrite = Mutex(RemoteWriteDecoder())

    /// Any protobuf message, walked field by field into its nested messages.
    static let protobuf = FuzzTarget("protobuf", seeds: { RemoteWriteSeeds.all }) { body in
        var budget = 10_000
        try ProtobufWalk.walk(ProtobufReader(body), depth: 0, &budget)
    }
}

private enum ProtobufWalk {
    static func walk(_ message: ProtobufReader, depth: Int, _ budget: inout Int) throws {
        var reader = message
        var last = reader.offset
        while budget > 0, let key = try? reader.readKey() {
            budget -= 1
            try require(key.field > 0 && key.field < 1 << 29, "field \(key.field) is in range")
            try require(reader.offset > last, "a field takes bytes")
            last = reader.offset
            var skipped = reader
            let canSkip = (try? skipped.skip(key.wireType)) != nil
            let isRead: Bool
            switch key.wireType {
            case .varint: isRead = (try? reader.readVarint()) != nil
            case .fixed64: isRead = (try? reader.readFixed64()) != nil
            case .fixed32: isRead = (try? reader.readFixed32()) != nil
            case .bytes:
                if depth < 8 {
                    let inner = try? reader.readMessage()
                    if let inner { try walk(inner, depth: depth + 1, &budget) }
                    isRead = inner != nil
                } else {
                    isRead = (try? reader.readBytes()) != nil
                }
            }
            try require(isRead == canSkip, "what can be skipped can be read")
            if !isRead { return }
            try require(reader.offset == skipped.offset, "skipping and reading take the same bytes")
        }
    }
}

/// Bodies made by our own encoder, of every kind of point.
enum RemoteWriteSeeds {
    static let all: [[UInt8]] = (0..<UInt64(4)).map { number in
        var random = SeededGenerator(seed: number)
        let batch = RandomBatch.make(points: 8, series: 4, plainOnly: number == 0, using: &random)
        var body: [UInt8] = []
        var encoder = RemoteWriteEncoder()
        encoder.append(batch, 0..<batch.points.count, into: &body)
        return body
    }
}
