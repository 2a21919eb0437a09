import Metrics
import TestSupport
import Testing

@Suite struct LineProtocolEncoderTests {
    private func encode(
        _ batch: Batch, _ ordinals: Range<Int>? = nil, unsigned: Bool = true
    ) -> (text: String, record: LineProtocolEncoder.Record) {
        var body: [UInt8] = []
        var record = LineProtocolEncoder.Record()
        LineProtocolEncoder(writesUnsigned: unsigned).append(
            batch, ordinals ?? 0..<batch.points.count, into: &body, record: &record)
        return (String(decoding: body, as: UTF8.self), record)
    }

    @Test(arguments: [
        #"a\,b\ c\=d,k\=\,\ x=v\,\=\ w f\,\ \=g=1.5,h=2i,j=3u,l=t,n="q\"\\z" 5"# + "\n",
        "m,t=a f=1,g=2 5\nm,t=b f=1 6\nm,t=b f=1 7\n",
        #"m,t=a\\,u f\x=-0.1 -5"# + "\n",
    ])
    func `a canonical body decodes and encodes to itself`(_ body: String) throws {
        let encoded = encode(try WireDecoding.lines(body.utf8).batch)
        #expect(encoded.text == body)
        #expect(encoded.record.unrepresentable.isEmpty)
    }

    @Test func `a plain series becomes a measurement with one field named value`() throws {
        let batch = try WireDecoding.exposition("up{job=\"a b\"} 1 5\n".utf8).batch
        #expect(encode(batch).text == "up,job=a\\ b value=1 5000000\n")
    }

    @Test func `what has no spelling is reported by ordinal and leaves the rest of its row`() throws {
        var batch = try WireDecoding.lines("m a=1,b=2,c=3 5\nn x=1 6\n".utf8).batch
        var points = PointColumns()
        for ordinal in 0..<4 {
            let bits =
                ordinal == 1
                ? FloatBits.staleMarker : ordinal == 3 ? FloatBits.positiveInfinity : batch.points.bits[ordinal]
            points.append(
                series: batch.points.series[ordinal], time: batch.points.times[ordinal], kind: .float64, bits: bits,
                flags: batch.points.flags(at: ordinal))
        }
        batch.points = points
        let encoded = encode(batch)
        #expect(encoded.text == "m a=1,c=3 5\n")
        #expect(encoded.record.lines == 1)
        #expect(encoded.record.runs.map(\.ordinals) == [0..<1, 2..<3])
        #expect(encoded.record.unrepresentable.map(\.ordinal) == [1, 3])
        #expect(encoded.record.unrepresentable.map(\.reason) == ["stale marker", "value is not finite"])
    }

    @Test func `a range that begins inside a row begins a line`() throws {
        let batch = try WireDecoding.lines("m a=1,b=2,c=3 5\n".utf8).batch
        let encoded = encode(batch, 1..<3)
        #expect(encoded.text == "m b=2,c=3 5\n")
        #expect(encoded.record.runs.map(\.ordinals) == [1..<3])
    }

    @Test func `unsigned integers go signed to a version without them, if they fit`() throws {
        let batch = try WireDecoding.lines("m a=5u 5\nm a=18446744073709551615u 6\n".utf8).batch
        let encoded = encode(batch, unsigned: false)
        #expect(encoded.text == "m a=5i 5\n")
        #expect(encoded.record.unrepresentable.map(\.ordinal) == [1])
    }

    @Test func `names that end in a backslash or begin a comment are reported, newlines replaced and counted`() throws {
        let body =
            #"{"name":"m","labels":{"t":"a\\"},"value":1,"timestamp_ns":5}"# + "\n"
            + ##"{"name":"#m","value":1,"timestamp_ns":5}"## + "\n"
            + #"{"name":"m","labels":{"t":"a\nb\tc"},"value":1,"timestamp_ns":5}"# + "\n"
        let encoded = encode(try WireDecoding.records(body.utf8).batch)
        #expect(encoded.text == #"m,t=a\nb\ c value=1 5"# + "\n")
        #expect(encoded.record.unrepresentable.map(\.ordinal) == [0, 1])
        #expect(encoded.record.substitutions == 1)
    }

    @Test func `histograms and summaries become fields of one line`() throws {
        let body =
            #"{"name":"h","histogram":{"count":10,"sum":12.5,"bounds":[0.1,1],"counts":[1,2,7]},"timestamp_ns":5}"#
            + "\n" + #"{"name":"s","summary":{"count":3,"sum":1.5,"quantiles":[[0.5,2],[0.9,"NaN"]]},"timestamp_ns":5}"#
            + "\n"
        let encoded = encode(try WireDecoding.records(body.utf8).batch)
        #expect(encoded.text == "h count=10,sum=12.5,0.1=1,1=3,+Inf=10 5\ns count=3,sum=1.5,0.5=2 5\n")
    }

    @Test func `every random scalar and string it could carry decodes to the same bits`() throws {
        var random = SeededGenerator.fresh()
        for _ in 0..<30 {
            let all = RandomBatch.make(points: 300, series: 20, using: &random)
            var batch = Batch()
            for ordinal in 0..<300 where all.points.kind(at: ordinal).rawValue <= PointKind.string.rawValue {
                batch.merge(all, ordinal..<ordinal + 1)
            }
            let encoded = encode(batch)
            let decoded = try WireDecoding.lines(encoded.text.utf8)
            #expect(decoded.refusals.isEmpty, "seed \(random.seed)")
            let carried = encoded.record.runs.flatMap(\.ordinals)
            let left = encoded.record.unrepresentable.map(\.ordinal)
            #expect((carried + left).sorted() == Array(0..<batch.points.count), "seed \(random.seed)")
            #expect(decoded.batch.points.times == carried.map { batch.points.times[$0] }, "seed \(random.seed)")
            for (ordinal, origin) in carried.enumerated() {
                let kind = batch.points.kind(at: origin)
                #expect(decoded.batch.points.kind(at: ordinal) == kind, "seed \(random.seed)")
                if kind == .string { continue }
                #expect(decoded.batch.points.bits[ordinal] == batch.points.bits[origin], "seed \(random.seed)")
            }
        }
    }
}
