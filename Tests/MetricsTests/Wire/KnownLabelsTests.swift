import TestSupport
import Testing

@testable import Metrics

private typealias Message = RemoteWriteMessage

@Suite struct KnownLabelsTests {
    private func labels(_ number: Int, length: Int = 100) -> [UInt8] {
        Message.label("__name__", "metric_\(number)") + Message.label("pad", String(repeating: "x", count: length))
    }

    private func hash(_ labels: [UInt8]) -> UInt64 { labels.withUnsafeBytes { SeriesTable.hash($0) } }

    private func verdict(_ known: inout KnownLabels, _ labels: [UInt8]) -> KnownLabels.Verdict? {
        labels.withUnsafeBytes { known.find($0, hash: SeriesTable.hash($0))?.verdict }
    }

    private func add(_ known: inout KnownLabels, _ labels: [UInt8], hash: UInt64? = nil, names: Bool = true) {
        labels.withUnsafeBytes {
            known.add($0, hash: hash ?? SeriesTable.hash($0), KnownLabels.Verdict(hasPrometheusNames: names))
        }
    }

    @Test func `what was checked is known by all of its bytes, not by its hash`() {
        var known = KnownLabels()
        known.begin(.standard)
        for number in 0..<2000 { add(&known, labels(number), names: number % 3 == 0) }
        for number in 0..<2000 {
            #expect(verdict(&known, labels(number))?.hasPrometheusNames == (number % 3 == 0))
        }
        // Another's hash, the same length.
        add(&known, labels(7001), hash: hash(labels(7000)))
        #expect(verdict(&known, labels(7000)) == nil)
    }

    @Test func `it takes so much memory and no more, and keeps what it has while that is asked for`() {
        var known = KnownLabels()
        known.begin(.standard)
        let fits = KnownLabels.maximumBytes / labels(10_000, length: 2000).count
        for number in 10_000..<10_000 + 4 * fits { add(&known, labels(number, length: 2000)) }
        #expect(abs(known.count - fits) <= 1)
        let kept = known.count
        // A walk twice as long as what is kept: half of it is found each time.
        for _ in 0..<10 {
            known.begin(.standard)
            for number in 10_000..<10_000 + 2 * kept { _ = verdict(&known, labels(number, length: 2000)) }
        }
        #expect(known.count == kept)
        // Other series: it begins anew.
        for _ in 0..<5 {
            known.begin(.standard)
            for number in 90_000..<90_000 + 2 * kept { _ = verdict(&known, labels(number, length: 2000)) }
        }
        known.begin(.standard)
        #expect(known.count == 0)
        for number in 0..<KnownLabels.maximumEntries + 10 { add(&known, labels(number, length: 1)) }
        #expect(known.count == KnownLabels.maximumEntries)
    }

    @Test func `labels that come in the order of the time before are found without a hash`() {
        var known = KnownLabels()
        known.begin(.standard)
        for number in 0..<50 { add(&known, labels(number)) }
        func takeNext(_ message: [UInt8]) -> KnownLabels.Entry? { message.withUnsafeBytes { known.takeNext($0) } }
        // Nothing is behind the last one.
        #expect(takeNext(labels(0)) == nil)
        #expect(verdict(&known, labels(0)) != nil)
        for number in 1..<49 {
            let entry = takeNext(labels(number) + [0x12])
            #expect(entry?.hash == hash(labels(number)))
            #expect(entry.map { Int($0.length) } == labels(number).count)
        }
        #expect(takeNext(labels(7)) == nil)
        #expect(takeNext(Array(labels(49).dropLast())) == nil)
        #expect(takeNext(labels(49)) != nil)
    }

    @Test func `a message that begins with known labels and has one more is another series`() throws {
        var decoder = RemoteWriteDecoder()
        var request = DecodedRequest()
        let first = Message.series([("__name__", "a")], Message.sample(1, 1))
        let bodies = [
            first + Message.series([("__name__", "up"), ("a", "1")], Message.sample(1, 1)),
            first + Message.series([("__name__", "up"), ("a", "1"), ("b", "2")], Message.sample(1, 1)),
            first + Message.field(1, Message.labels([("__name__", "up"), ("a", "1")])),
            first
                + Message.field(
                    1,
                    Message.labels([("__name__", "up"), ("a", "1")]) + [0x8A, 0x00] + Message.label("b", "2")[1...]
                        + Message.sample(1, 1)),
        ]
        for body in bodies + bodies {
            try body.withUnsafeBytes { try decoder.decode($0, into: &request) }
            #expect(try request == Message.decode(body))
        }
    }

    @Test func `labels that were taken are refused once a limit is lower`() throws {
        var decoder = RemoteWriteDecoder()
        var request = DecodedRequest()
        let body = Message.series([("__name__", "up"), ("path", "/a/long/path")], Message.sample(1, 1))
        for _ in 0..<2 { try body.withUnsafeBytes { try decoder.decode($0, into: &request) } }
        #expect(request.batch.points.count == 1)
        let lower = WireLimits(labels: LabelLimits(nameBytes: 100, valueBytes: 5, labels: 10))
        try body.withUnsafeBytes { try decoder.decode($0, limits: lower, into: &request) }
        #expect(request.refusals.points == [.invalidLabels: 1])
        try body.withUnsafeBytes { try decoder.decode($0, into: &request) }
        #expect(request.batch.points.count == 1)
    }

    @Test func `a decoder that has seen much decodes as one that has seen nothing`() throws {
        var random = SeededGenerator.fresh()
        var decoder = RemoteWriteDecoder()
        var request = DecodedRequest()
        for _ in 0..<200 {
            var body: [UInt8] = []
            let repeats = random.next() % 2 == 0
            for number in 0..<Int(random.next() % 20) {
                if repeats {
                    // The order of every other scrape.
                    body += Message.series([("__name__", "m"), ("i", "\(number)")], Message.sample(0, 5))
                    continue
                }
                var pairs = [
                    ("__name__", ["up", "down", "http.requests", "a:b"].randomElement(using: &random) ?? ""),
                    ("instance", "\(random.next() % 8)"),
                ]
                if random.next() % 4 == 0 {
                    pairs.append((["zone", "Zürich", "a.b"].randomElement(using: &random) ?? "", "z"))
                }
                if random.next() % 8 == 0 { pairs.reverse() }
                body += Message.series(pairs, Message.sample(Double(random.next() % 100), Int64(random.next() % 1000)))
            }
            let fresh = try Message.decode(body)
            try body.withUnsafeBytes { try decoder.decode($0, into: &request) }
            #expect(request == fresh, "seed \(random.seed)")
            #expect(
                request.batch.series.hasPrometheusNames == fresh.batch.series.hasPrometheusNames, "seed \(random.seed)")
        }
    }
}

/// Bodies that may be sent on as they came.
@Suite struct VerbatimBodyTests {
    private let up = [("__name__", "up"), ("instance", "a:9100")]
    private let sample = Message.sample(1, 1)

    @Test func `samples under plain labels are all of a body, whatever they are`() throws {
        let body =
            Message.series(up, Message.sample(bits: FloatBits.staleMarker, 5) + Message.sample(.nan, -7))
            + Message.series(
                [("__name__", "a:b")], Message.field(2, Message.field(2, varint: 9)) + Message.field(2, []))
        for request in try [Message.decode(body), decodedTwice(body)] {
            #expect(request.isVerbatim)
            #expect(request.batch.series.hasPrometheusNames)
            #expect(request.batch.points.count == 4)
        }
    }

    /// By a decoder that knows the labels.
    private func decodedTwice(_ body: [UInt8]) throws -> DecodedRequest {
        var decoder = RemoteWriteDecoder()
        var request = DecodedRequest()
        for _ in 0..<2 { try body.withUnsafeBytes { try decoder.decode($0, into: &request) } }
        return request
    }

    private static let others: [(String, [UInt8])] = {
        let up = [("__name__", "up"), ("instance", "a:9100")]
        let sample = Message.sample(1, 1)
        let label = Message.field(1, Message.field(1, "__name__") + Message.field(2, "up") + Message.field(9, "?"))
        return [
            ("a field that nobody knows", Message.field(7, "?")),
            ("metadata", Message.field(3, Message.field(2, "up"))),
            ("a field of a series", Message.series(up, sample + Message.field(8, "?"))),
            ("a field of a sample", Message.series(up, Message.field(2, Message.field(1, 2) + Message.field(5, "?")))),
            ("a field of a label", Message.field(1, label + sample)),
            ("an exemplar", Message.series(up, sample + Message.exemplar([("trace", "a")], 1, 1))),
            ("a series without a point", Message.series(up, [])),
            ("labels out of order", Message.series(up.reversed(), sample)),
            ("labels behind the samples", Message.field(1, sample + Message.labels(up))),
            ("an empty label", Message.series([("__name__", "up"), ("a", "")], sample)),
            ("a label that is refused", Message.series([("a", "b")], sample)),
            ("a time beyond all", Message.series(up, Message.sample(1, .max))),
            ("a name that remote write 1.0 has no letters for", Message.series([("__name__", "http.up")], sample)),
            ("a label of such a name", Message.series([("__name__", "up"), ("a.b", "c")], sample)),
            ("a length in more bytes than it takes", [0x0A, 0x80, 0x00]),
        ]
    }()

    @Test(arguments: others)
    func `a body with more than that is none`(what: String, more: [UInt8]) throws {
        let body = Message.series(up, sample)
        #expect(try Message.decode(body).isVerbatim)
        for body in [body + more, more + body] {
            #expect(try !Message.decode(body).isVerbatim, "\(what)")
            #expect(try !decodedTwice(body).isVerbatim, "\(what)")
        }
    }

    @Test func `what merges keep of the names is what is true of all of them`() throws {
        let plain = try Message.decode(Message.series(up, sample)).batch
        let dotted = try Message.decode(Message.series([("__name__", "http.up")], sample)).batch
        var batch = Batch()
        batch.merge(plain)
        #expect(batch.series.hasPrometheusNames)
        #expect(batch.trimmed().series.hasPrometheusNames)
        batch.merge(dotted)
        #expect(!batch.series.hasPrometheusNames)
        batch.merge(plain)
        #expect(!batch.series.hasPrometheusNames)
        batch.removeAll()
        batch.merge(plain)
        #expect(batch.series.hasPrometheusNames)
    }
}
