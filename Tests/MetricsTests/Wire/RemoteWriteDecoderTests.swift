import Testing

@testable import Metrics

private typealias Message = RemoteWriteMessage

@Suite struct RemoteWriteDecoderTests {
    private let up = [("__name__", "up"), ("instance", "a:9100"), ("job", "node")]

    @Test func `samples keep their order, their bits and their time in nanoseconds`() throws {
        let request = try Message.decode(
            Message.series(up, Message.sample(1, 1000) + Message.sample(bits: FloatBits.staleMarker, 2000))
                + Message.series([("__name__", "down")], Message.sample(bits: 0x7ff8_0000_0000_0abc, -1))
                + Message.series(up, Message.sample(bits: 0x8000_0000_0000_0000, 3000)))
        #expect(request.refusals.isEmpty)
        #expect(request.batch.series.count == 2)
        #expect(request.batch.points.series == [0, 0, 1, 0])
        #expect(request.batch.points.times == [1_000_000_000, 2_000_000_000, -1_000_000, 3_000_000_000])
        #expect(
            request.batch.points.bits == [
                (1.0).bitPattern, FloatBits.staleMarker, 0x7ff8_0000_0000_0abc, 0x8000_0000_0000_0000,
            ])
    }

    @Test func `a value or time left out is zero, as proto3 says`() throws {
        let request = try Message.decode(
            Message.series(up, Message.field(2, []) + Message.field(2, Message.field(1, 2.5))))
        #expect(request.batch.points.bits == [0, (2.5).bitPattern])
        #expect(request.batch.points.times == [0, 0])
    }

    @Test(arguments: [
        [("job", "node"), ("__name__", "up"), ("instance", "a:9100")],
        [("__name__", "up"), ("empty", ""), ("instance", "a:9100"), ("job", "node")],
        [("__name__", "up"), ("", ""), ("instance", "a:9100"), ("job", "node")],
    ])
    func `unsorted labels are sorted and an empty value means absent`(pairs: [(String, String)]) throws {
        let request = try Message.decode(
            Message.series(up, Message.sample(1, 1)) + Message.series(pairs, Message.sample(2, 2)))
        #expect(request.refusals.isEmpty)
        #expect(request.batch.series.count == 1)
        #expect(request.batch.points.count == 2)
    }

    @Test func `labels written in other legal ways are the same series`() throws {
        let swapped = Message.field(1, Message.field(2, "up") + Message.field(1, "__name__"))
        let repeated = Message.field(
            1, Message.field(1, "x") + Message.field(1, "__name__") + Message.field(9, "?") + Message.field(2, "up"))
        let longLength: [UInt8] = [0x0A, 0x8E, 0x00, 0x0A, 8] + Array("__name__".utf8) + [0x12, 2] + Array("up".utf8)
        let plain = Message.label("__name__", "up")
        let sample = Message.sample(1, 1)
        for labels in [swapped, repeated, longLength] {
            let request = try Message.decode(Message.field(1, plain + sample) + Message.field(1, labels + sample))
            #expect(request.batch.points.series == [0, 0], "\(labels)")
        }
        let scattered = try Message.decode(
            Message.field(1, plain + sample) + Message.field(1, sample + plain)
                + Message.field(1, plain + sample + Message.label("a", "b")))
        #expect(scattered.batch.points.series == [0, 0, 1])
        #expect(ReadablePoint(scattered.batch, 2).labels == ["__name__": "up", "a": "b"])
    }

    private static let invalid: [([(String, String)], LabelFault)] = [
        ([("__name__", "up"), ("a", "1"), ("a", "2")], LabelFault.duplicateName),
        ([("__name__", "up"), ("a", "1"), ("a", "1")], .duplicateName),
        ([("__name__", "up"), ("", "1")], .emptyName),
        ([("a", "1")], .noMetricName),
        ([("__name__", ""), ("a", "1")], .noMetricName),
        ([], .noMetricName),
        ([("__name__", "up"), (String(repeating: "n", count: 33), "1")], .nameTooLong),
        ([("__name__", "up"), ("v", String(repeating: "v", count: 65))], .valueTooLong),
        ([("__name__", "up"), ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")], .tooManyLabels),
        ([("d", "4"), ("c", "3"), ("b", "2"), ("a", "1"), ("__name__", "up")], .tooManyLabels),
    ]

    @Test(arguments: invalid)
    func `an invalid series is a refusal that counts its points, and the rest is stored`(
        pairs: [(String, String)], fault: LabelFault
    ) throws {
        var limits = WireLimits.standard
        limits.labels = LabelLimits(nameBytes: 32, valueBytes: 64, labels: 4)
        let request = try Message.decode(
            Message.series(pairs, Message.sample(1, 1) + Message.sample(2, 2) + Message.sample(3, 3))
                + Message.series(up, Message.sample(4, 4)), limits)
        #expect(request.refusals.points == [.invalidLabels: 3])
        #expect(request.refusals.first.first?.detail.contains(fault.rawValue) == true)
        #expect(ReadablePoint.all(of: request.batch).map(\.labels) == [Dictionary(uniqueKeysWithValues: up)])
    }

    @Test(arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]])
    func `labels that are not UTF-8 are refused, in names and in values`(bytes: [UInt8]) throws {
        let name = Message.label("__name__", "up")
        for label in [
            Message.field(1, Message.field(1, "a") + Message.field(2, bytes)),
            Message.field(1, Message.field(1, Array("a".utf8) + bytes) + Message.field(2, "b")),
        ] {
            let request = try Message.decode(Message.field(1, name + label + Message.sample(1, 1)))
            #expect(request.refusals.points == [.invalidLabels: 1])
            #expect(request.batch.points.count == 0)
        }
    }

    @Test func `UTF-8 beyond ASCII is kept as it is`() throws {
        let pairs = [("__name__", "größe"), ("zone", "日本 😀")]
        let request = try Message.decode(Message.series(pairs, Message.sample(1, 1)))
        #expect(ReadablePoint(request.batch, 0).labels == ["__name__": "größe", "zone": "日本 😀"])
    }

    @Test func `names that share eight bytes and more are still ordered by all of them`() throws {
        let sorted = [("__name__", "up"), ("kubernetes_a", "1"), ("kubernetes_b", "2"), ("kubernetes_ba", "3")]
        let request = try Message.decode(
            Message.series(sorted, Message.sample(1, 1))
                + Message.series([sorted[0], sorted[3], sorted[2], sorted[1]], Message.sample(1, 1))
                + Message.series([sorted[0], sorted[1], sorted[1]], Message.sample(1, 1)))
        #expect(request.batch.points.series == [0, 0])
        #expect(request.refusals.points == [.invalidLabels: 1])
    }

    @Test func `a time beyond nanoseconds is a refusal of one point`() throws {
        let request = try Message.decode(
            Message.series(
                up,
                Message.sample(1, .max) + Message.sample(2, 5) + Message.sample(3, .min)
                    + Message.sample(4, 9_223_372_036_855)))
        #expect(request.refusals.points == [.invalidTime: 3])
        #expect(request.batch.points.times == [5_000_000])
    }

    @Test func `exemplars go with the last point of their message, or with none`() throws {
        let trace = [("trace_id", "abc")]
        let request = try Message.decode(
            Message.series(
                up,
                Message.sample(1, 1) + Message.sample(2, 2) + Message.exemplar(trace, 0.5, 7)
                    + Message.exemplar([], 0.25, 8))
                + Message.series(up, Message.exemplar(trace, 0.75, 9)))
        #expect(request.batch.exemplars.map(\.ordinal) == [1, 1, nil])
        #expect(request.batch.exemplars.map(\.time) == [7_000_000, 8_000_000, 9_000_000])
        #expect(request.batch.exemplars[0].labels == Message.label("trace_id", "abc"))
        let doubled = try Message.decode(
            Message.series(
                up, Message.sample(1, 1) + Message.exemplar([("a", "1"), ("a", "2")], 0.5, 7)))
        #expect(doubled.batch.exemplars.isEmpty)
        #expect(doubled.refusals.points == [.invalidExemplar: 0])
    }

    @Test func `metadata is kept, and is no point`() throws {
        let request = try Message.decode(
            Message.field(
                3,
                Message.field(1, varint: 1) + Message.field(2, "up") + Message.field(4, "Is it?")
                    + Message.field(5, "bool"))
                + Message.field(3, Message.field(1, varint: 77) + Message.field(2, "later")))
        #expect(
            request.batch.metadata == [
                MetricMetadata(family: "up", kind: .counter, help: "Is it?", unit: "bool"),
                MetricMetadata(family: "later", kind: .unknown),
            ])
        #expect(request.batch.points.count == 0)
    }

    @Test func `limits on bytes, points, series are answered with too large, and nothing remains`() throws {
        let body = (0..<10).flatMap { Message.series([("__name__", "m\($0)")], Message.sample(1, 1)) }
        for limits in [
            WireLimits(decodedBytes: body.count - 1), WireLimits(points: 9), WireLimits(series: 9),
        ] {
            var decoder = RemoteWriteDecoder()
            var request = DecodedRequest()
            let error = #expect(throws: WireError.self) {
                try body.withUnsafeBytes { try decoder.decode($0, limits: limits, into: &request) }
            }
            #expect(error?.code == .tooLarge)
            #expect(request == DecodedRequest())
        }
        let fits = WireLimits(decodedBytes: body.count, points: 10, series: 10)
        #expect(try Message.decode(body, fits).batch.points.count == 10)
    }

    @Test func `a 2.0 message under a 1.0 content type is an error, not an empty success`() {
        let second = Message.field(4, "") + Message.field(4, "__name__") + Message.field(5, Message.field(1, [1, 2]))
        #expect(throws: WireError.self) { try Message.decode(second) }
        #expect(throws: Never.self) { try Message.decode([]) }
    }

    @Test func `a decoder and a request used again remember nothing`() throws {
        var decoder = RemoteWriteDecoder()
        var request = DecodedRequest()
        let bodies = [
            Message.series(up, Message.sample(1, 1)) + Message.field(3, Message.field(2, "up")),
            Message.series([("a", "b")], Message.sample(1, 1)),
            Message.series(up.reversed(), Message.sample(2, 2) + Message.exemplar([], 1, 1)),
            Message.series(up, [0x12, 0x05]),
        ]
        for body in bodies + bodies {
            let fresh = try? Message.decode(body)
            let reused: Void? = try? body.withUnsafeBytes { try decoder.decode($0, into: &request) }
            #expect((fresh == nil) == (reused == nil))
            #expect(request == fresh ?? DecodedRequest())
        }
    }
}
