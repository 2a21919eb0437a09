import Metrics
import TestSupport
import Testing

/// The record form of docs/formats.md, "JSON records".
@Suite struct JSONRecordTests {
    private static let now = WireDecoding.arrival

    @Test(arguments: [
        (#"{"name":"m","value":1.5,"timestamp_ms":7}"#, "m{}=1.5@7000000"),
        (#"{"name":"m","labels":{"b":"2","a":"1","c":""},"value":1,"timestamp_ns":7}"#, "m{a=1,b=2}=1.0@7"),
        (#"{"name":"m","value":1}"#, "m{}=1.0@\(now)"),
        (#"{"name":"m","int":9007199254740993}"#, "m{}=9007199254740993i@\(now)"),
        (#"{"name":"m","uint":18446744073709551615}"#, "m{}=18446744073709551615u@\(now)"),
        (#"{"name":"m","bool":true}"#, "m{}=true@\(now)"),
        (#"{"name":"m","string":"a\n\u00e9"}"#, "m{}='a\né'@\(now)"),
        (#"{"name":"m","string_base64":"QUI="}"#, "m{}='AB'@\(now)"),
        (#"{"name":"m","field":"f","value":1}"#, "m{}.f=1.0@\(now)"),
        (#"{"name":"m","value":1,"timestamp":"1970-01-01T00:00:01+00:00"}"#, "m{}=1.0@1000000000"),
        (#"{"place":[1,2],"name":"m","value":"+Inf"}"#, "m{}=inf@\(now)"),
        (#"{"labels":{"__name__":"m"},"value":"-Infinity"}"#, "m{}=-inf@\(now)"),
    ])
    func `a record becomes its point`(_ text: String, _ point: String) throws {
        #expect(try WireDecoding.json(text.utf8).batch.lines == [point])
        #expect(try WireDecoding.json("[\(text) , \(text)]".utf8).batch.lines == [point, point])
        #expect(try WireDecoding.records(text.utf8).batch.lines == [point])
    }

    @Test(arguments: [
        ("\"NaN\"", FloatBits.normalNaN), ("\"stale\"", FloatBits.staleMarker),
        ("\"+Inf\"", FloatBits.positiveInfinity),
        ("\"-Inf\"", FloatBits.negativeInfinity), ("\"NaN:fff8000000000003\"", 0xfff8_0000_0000_0003), ("-0", 1 << 63),
    ])
    func `specials keep their bits`(_ spelling: String, _ bits: UInt64) throws {
        #expect(try WireDecoding.json("{\"name\":\"m\",\"value\":\(spelling)}".utf8).batch.points.bits == [bits])
    }

    @Test(arguments: [
        #"{"name":"m","value":null}"#, #"{"name":"m","value":"1"}"#, #"{"name":"m","value":"nan"}"#,
        #"{"name":"m","value":"NaN:3ff0000000000000"}"#, #"{"name":"m","value":1e400}"#, #"{"name":"m","value":true}"#,
        #"{"name":"m"}"#, #"{}"#, #"[1]"#, #"[[]]"#, "1", #"{"name":"m","value":1,"int":1}"#,
        #"{"name":"m","int":1.0}"#,
        #"{"name":"m","int":9223372036854775808}"#, #"{"name":"m","uint":-1}"#, #"{"name":1,"value":1}"#,
        #"{"name":"m","labels":{"a":1},"value":1}"#, #"{"name":"m","labels":{"a":null},"value":1}"#,
        #"{"name":"m","labels":[],"value":1}"#, #"{"name":"m","value":1,"value":1}"#,
        #"{"name":"m","kind":"count","value":1}"#,
        #"{"name":"m","value":1,"timestamp_ms":"7"}"#, #"{"name":"m","value":1,"timestamp_ms":7.5}"#,
        #"{"name":"m","value":1,"timestamp_ms":7,"timestamp_ns":7}"#,
        #"{"name":"m","value":1,"timestamp":"yesterday"}"#,
        #"{"name":"m","histogram":{}}"#, #"{"name":"m","summary":{"count":1,"sum":1,"quantiles":[[1]]}}"#,
        #"{"name":"m","exponential_histogram":{"schema":0,"sum":1,"count":1,"float_count":1}}"#,
        #"{"name":"m","exponential_histogram":{"schema":99999999999,"sum":1,"count":1}}"#,
        #"{"name":"m","string_base64":"QUI"}"#, #"{"metadata":{"kind":"gauge"}}"#,
        #"{"metadata":{"family":"m"},"value":1}"#,
        #"{"name":"m","exemplars":[]}"#, #"{"name":"m","value":1,"exemplars":[{"labels":{}}]}"#,
        #"{"name":"m","value":1,"resource":{"attributes":{"a":{"double":1,"map":{}}}}}"#,
        #"{"name":"m","value":1,"resource":{"attributes":{"a":1,"a":2}}}"#, #"{"name":"m","value":1} x"#,
    ])
    func `what is no record refuses a document, and in a stream its line`(_ text: String) throws {
        #expect(throws: WireError.self) { try WireDecoding.json(text.utf8) }
        let good = #"{"name":"g","value":1,"timestamp_ns":1}"#
        let request = try WireDecoding.records("\(good)\n\(text)\n\(good)\n".utf8)
        #expect(request.batch.lines == ["g{}=1.0@1", "g{}=1.0@1"])
        #expect(request.refusals.first.map(\.line) == [2])
        #expect(request.refusals.points == [.invalidLine: 1])
    }

    @Test(arguments: [
        (#"{"name":"m","label":{},"value":1}"#, "labels"), (#"{"name":"m","vlaue":1}"#, "value"),
        (#"{"name":"m","value":1,"timestamp_mss":1}"#, "timestamp_ms"),
        (#"{"name":"m","histogram":{"count":1,"bound":[]}}"#, "bounds"),
    ])
    func `an unknown key is named with the nearest known one`(_ text: String, _ nearest: String) {
        let failure = #expect(throws: WireError.self) { try WireDecoding.json(text.utf8) }
        #expect(failure?.message.contains("did you mean \"\(nearest)\"?") == true)
    }

    @Test(arguments: [
        (#"{"value":1}"#, RefusalReason.invalidLabels), (#"{"name":"","value":1}"#, .invalidLabels),
        (#"{"name":"m","labels":{"a":"1","a":"2"},"value":1}"#, .invalidLabels),
        (#"{"name":"m","labels":{"a":"","a":"2"},"value":1}"#, .invalidLabels),
        (#"{"name":"m","labels":{"a":"","a":""},"value":1}"#, .invalidLabels),
        (#"{"name":"m","labels":{"":"x"},"value":1}"#, .invalidLabels),
        (#"{"name":"m","value":1,"timestamp_ms":9223372036854775807}"#, .invalidTime),
        (#"{"name":"m","histogram":{"count":1,"bounds":[1],"counts":[1]}}"#, .invalidHistogram),
        (
            #"{"name":"m","exponential_histogram":{"schema":0,"sum":1,"count":1,"positive":{"spans":[[0,2]],"deltas":[1]}}}"#,
            .invalidHistogram
        ),
        (
            #"{"name":"m","exponential_histogram":{"schema":10,"sum":1,"count":1,"positive":{"spans":[[0,1]],"deltas":[1]}}}"#,
            .invalidHistogram
        ),
        (
            #"{"name":"m","exponential_histogram":{"schema":0,"sum":1,"count":1,"positive":{"spans":[[0,1]],"deltas":[-1]}}}"#,
            .invalidHistogram
        ),
    ])
    func `what cannot be stored sets its point aside and not its document`(
        _ text: String, _ reason: RefusalReason
    ) throws {
        let request = try WireDecoding.json("[\(text),{\"name\":\"g\",\"value\":1}]".utf8)
        #expect(request.batch.lines == ["g{}=1.0@\(Self.now)"])
        #expect(request.refusals.points == [reason: 1])
    }

    @Test func `what the encoder writes decodes to the identical batch`() throws {
        var random = SeededGenerator.fresh()
        for _ in 0..<40 {
            var batch = Batch()
            // Tables in the order of their first use, which is the order a reader meets them in.
            batch.merge(RandomBatch.make(points: 300, series: 25, using: &random))
            var encoder = JSONRecordEncoder()
            var body: [UInt8] = []
            encoder.append(batch, into: &body)
            let request = try WireDecoding.records(body)
            #expect(request.refusals.isEmpty, "seed \(random.seed): \(request.refusals.first)")
            #expect(request.batch == batch, "seed \(random.seed)")
        }
    }

    @Test func `every float keeps its bits through a record`() throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 5000, series: 3, plainOnly: true, using: &random)
        var body: [UInt8] = []
        var encoder = JSONRecordEncoder()
        encoder.append(batch, into: &body)
        #expect(try WireDecoding.records(body).batch.points.bits == batch.points.bits, "seed \(random.seed)")
    }

    @Test func `a caller's members stand first, and strings that are not UTF-8 survive`() throws {
        var batch = try WireDecoding.lines("m f=\"x\" 5\n".utf8).batch
        batch.append(series: 0, time: 6, string: [0xFF, 0x00])
        var body: [UInt8] = []
        var encoder = JSONRecordEncoder()
        encoder.append(batch, 0..<2, into: &body) { ordinal, body in
            body.append(contentsOf: "\"place\":[7,\(ordinal)],".utf8)
        }
        #expect(
            String(decoding: body, as: UTF8.self).hasPrefix(
                #"{"place":[7,0],"name":"m","labels":{},"field":"f","string":"x""#))
        #expect(try WireDecoding.records(body).batch == batch)
    }

    @Test func `attributes whose key comes twice and floats that are whole survive`() throws {
        let resource = Resource(attributes: [
            Attribute("a", .int(1)), Attribute("a", .double((1.0).bitPattern)), Attribute("b", .map([])),
            Attribute("c", .double(FloatBits.staleMarker)), Attribute("d", .double((1e300).bitPattern)),
        ])
        var batch = Batch()
        var identity = SeriesIdentity.plain
        identity.resource = batch.intern(resource: resource)
        var builder = LabelBuilder()
        builder.add("__name__", "m")
        try builder.finish()
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
        batch.points.appendFloat64(series: id, time: 5, bits: 0)
        var body: [UInt8] = []
        var encoder = JSONRecordEncoder()
        encoder.append(batch, into: &body)
        #expect(try WireDecoding.records(body).batch == batch)
    }
}
