import TestSupport
import Testing

@testable import Metrics

private typealias Message = RemoteWriteMessage

/// Whatever a stranger sends: an error or a valid result, never a trap, and nothing half done.
@Suite struct RemoteWriteHostileTests {
    /// Something of everything.
    private static let rich: [UInt8] = {
        let span = Message.field(1, varint: Message.zigzag(-4)) + Message.field(2, varint: 2)
        let histogram =
            Message.field(1, varint: 300) + Message.field(3, 18.5) + Message.field(4, varint: Message.zigzag(3))
            + Message.field(11, span) + Message.field(12, [6, 3]) + Message.field(15, varint: 1_790_000_000_000)
        return Message.series(
            [("__name__", "up"), ("instance", "größe:9100"), ("job", "node")],
            Message.sample(1, 1_790_000_000_000) + Message.sample(2, 1_790_000_015_000)
                + Message.exemplar([("trace_id", "abc")], 0.5, 7) + Message.field(4, histogram))
            + Message.field(3, Message.field(1, varint: 1) + Message.field(2, "up") + Message.field(4, "Help"))
            + Message.series([("job", "x"), ("__name__", "down")], Message.sample(3, 3))
    }()

    /// - Returns: whether it decoded; what came out is then walked to its last byte.
    @discardableResult
    private static func survives(_ body: [UInt8], _ comment: @autoclosure () -> String) -> Bool {
        // A copy of the exact size, so that a read past the end is one past an allocation.
        var decoder = RemoteWriteDecoder()
        var request = DecodedRequest()
        do {
            try body.withUnsafeBytes { try decoder.decode($0, into: &request) }
        } catch {
            #expect(request == DecodedRequest(), "\(comment())")
            return false
        }
        for id in 0..<request.batch.series.count {
            request.batch.series.withLabels(of: UInt32(id)) {
                #expect(CanonicalLabels.areCanonical($0, .standard, requiresName: true), "\(comment())")
            }
        }
        #expect(request.batch.exponentialHistograms.allSatisfy { $0.fault == nil }, "\(comment())")
        _ = ReadablePoint.all(of: request.batch)
        return true
    }

    @Test func `a body cut anywhere inside a message is refused`() {
        #expect(Self.survives(Self.rich, "whole"))
        var whole: Set<Int> = [0]
        var reader = 0
        // Where one message of the request ends, a shorter body is valid.
        Self.rich.withUnsafeBytes { bytes in
            var messages = ProtobufReader(bytes)
            while let key = try? messages.readKey(), (try? messages.skip(key.wireType)) != nil {
                reader = messages.offset
                whole.insert(reader)
            }
        }
        #expect(whole.count == 4)
        for length in 0..<Self.rich.count {
            #expect(Self.survives(Array(Self.rich[..<length]), "\(length)") == whole.contains(length), "\(length)")
        }
    }

    @Test func `every byte changed to every value is an error or a valid result`() {
        for at in Self.rich.indices {
            for value in UInt8.min...UInt8.max {
                var body = Self.rich
                body[at] = value
                Self.survives(body, "byte \(at) = \(value)")
            }
        }
    }

    @Test func `random damage is an error or a valid result`() {
        var random = SeededGenerator.fresh()
        for round in 0..<20_000 {
            var body = Self.rich
            for _ in 0...Int(random.next() % 6) {
                let at = Int(random.next() % UInt64(body.count))
                switch random.next() % 4 {
                case 0: body[at] ^= 1 << UInt8(random.next() % 8)
                case 1: body.insert(UInt8(truncatingIfNeeded: random.next()), at: at)
                case 2: body.removeSubrange(at..<min(body.count, at + Int(random.next() % 9) + 1))
                default: body.replaceSubrange(at..<at, with: [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1])
                }
                if body.isEmpty { body = [0x0A] }
            }
            Self.survives(body, "seed \(random.seed), round \(round)")
        }
    }

    private static let undecodable: [(String, [UInt8])] = [
        ("a length of 2^64 - 1", [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
        ("a length of 2^63", [0x0A, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
        ("a varint of 11 bytes", [0x08] + [UInt8](repeating: 0x80, count: 10) + [0x01]),
        ("a varint of 65 bits", [0x08] + [UInt8](repeating: 0x80, count: 9) + [0x02]),
        ("field 0", [0x02, 0x00]),
        ("a group", [0x0B, 0x0C]),
        ("wire type 7", [0x0F]),
        ("a series that is a varint", [0x08, 0x01]),
        ("a label longer than its series", [0x0A, 0x03, 0x0A, 0x04, 0x00, 0x00, 0x00]),
        ("a label's name longer than the label", [0x0A, 0x06, 0x0A, 0x02, 0x0A, 0x04, 0x12, 0x00]),
        ("a sample's value cut", [0x0A, 0x06, 0x12, 0x04, 0x09, 0x00, 0x00, 0x00]),
        ("a time that runs out of its sample", [0x0A, 0x04, 0x12, 0x02, 0x10, 0x80, 0x08, 0x01, 1, 1, 1, 1, 1]),
        ("a sample's value as a varint", [0x0A, 0x04, 0x12, 0x02, 0x08, 0x01]),
    ]

    @Test(arguments: undecodable)
    func `bytes that are no such message are refused whole with an offset`(what: String, bytes: [UInt8]) {
        let before = Message.series([("__name__", "up")], Message.sample(1, 1))
        let error = #expect(throws: WireError.self, "\(what)") { try Message.decode(before + bytes) }
        #expect(error?.code == .malformed, "\(what)")
        #expect((error?.offset ?? 0) >= before.count, "\(what)")
        Self.survives(before + bytes, what)
    }

    @Test func `a million refusals cost no list of a million`() throws {
        let bad = Message.series([("a", "b")], Message.sample(1, 1))
        let body = Array(repeatElement(bad, count: 100_000).joined())
        let request = try Message.decode(body)
        #expect(request.refusals.points == [.invalidLabels: 100_000])
        #expect(request.refusals.first.count == RefusalTally.listed)
    }
}
