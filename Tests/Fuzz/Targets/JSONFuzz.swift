import Metrics
import TestSupport

@testable import Daemon

extension FuzzTarget {
    /// A record or an array of records. What is decoded can be stored; written as records it decodes to what writes the
    /// same records again.
    static let jsonRecords = FuzzTarget("json_records", seeds: { RecordSeeds.documents }) { body in
        var decoder = JSONRecordDecoder()
        var request = DecodedRequest()
        guard (try? decoder.decode(body, arrivalTime: WireDecoding.arrival, into: &request)) != nil else { return }
        try DecodedChecks.hold(for: request, bodyBytes: body.count)
        var encoder = JSONRecordEncoder()
        var first: [UInt8] = []
        encoder.append(request.batch, into: &first)
        let again = try WireDecoding.records(first)
        try require(again.refusals.isEmpty, "what we write is refused by nobody: \(again.refusals)")
        var second: [UInt8] = []
        encoder.append(again.batch, into: &second)
        try require(first == second, "records are written the same again")
    }

    /// A stream of records, a line each, that arrives cut at the place the first two bytes say: the cut changes nothing.
    static let ndjson = FuzzTarget("ndjson", seeds: { RecordSeeds.streams }) { bytes in
        var input = FuzzInput(bytes)
        let cut = Int(input.byte()) << 8 | Int(input.byte())
        let body = input.rest
        let limits = WireLimits(points: 64, lineBytes: 512)
        let whole = stream(body, cut: 0, limits)
        try require(stream(body, cut: min(cut, body.count), limits) == whole, "the cut changes nothing")
        try DecodedChecks.hold(for: whole, bodyBytes: body.count)
    }

    private static func stream(_ body: UnsafeRawBufferPointer, cut: Int, _ limits: WireLimits) -> DecodedRequest {
        var decoder = JSONRecordDecoder()
        var request = DecodedRequest()
        let head = UnsafeRawBufferPointer(rebasing: body[..<cut])
        let progress = decoder.decodeLines(
            head, isLast: false, arrivalTime: WireDecoding.arrival, limits: limits, into: &request)
        let rest = UnsafeRawBufferPointer(rebasing: body[progress.bytes...])
        _ = decoder.decodeLines(
            rest, isLast: true, arrivalTime: WireDecoding.arrival, limits: limits, into: &request)
        return request
    }

    /// Any document: what is parsed and printed parses to the same.
    static let jsonValue = FuzzTarget("json_value", seeds: { RecordSeeds.documents }) { body in
        guard let value = try? JSONValue.parse(body, depth: 32, values: 1000) else { return }
        var printed: [UInt8] = []
        value.write(into: &printed)
        try require(try JSONValue.parse(printed) == value, "what is printed reads as the same")
        try require(try JSONValue.parse(Array(value.pretty.utf8)) == value, "and so does the form for people")
    }
}

private enum RecordSeeds {
    static let documents: [[UInt8]] =
        [
            #"[{"name":"m","labels":{"a":"b\n\u00e9"},"value":"NaN","timestamp_ms":5,"exemplars":[{"labels":{},"value":1}]},"#
                + #"{"name":"h","histogram":{"count":1,"bounds":[1],"counts":[1,0]}},{"metadata":{"family":"m"}}]"#,
            #"{"name":"e","exponential_histogram":{"schema":0,"count":1,"sum":1,"positive":{"spans":[[0,1]],"deltas":[1]}},"#
                + #""resource":{"attributes":{"a":[1,2.5,{"bytes":"AA=="},null]}}}"#,
            #"{"name":"s","summary":{"count":1,"sum":2.5,"quantiles":[[0.5,1]]},"timestamp":"2026-01-02T03:04:05.678Z"}"#,
        ].map { Array($0.utf8) } + random

    static let streams: [[UInt8]] = (documents + [documents.flatMap { $0 + [10] }]).map { [0, 40] + $0 }

    private static let random: [[UInt8]] = (0..<UInt64(2)).map { number in
        var generator = SeededGenerator(seed: number)
        let batch = RandomBatch.make(points: 6, series: 3, using: &generator)
        var body: [UInt8] = []
        var encoder = JSONRecordEncoder()
        encoder.append(batch, 0..<1, into: &body)
        return body
    }
}
