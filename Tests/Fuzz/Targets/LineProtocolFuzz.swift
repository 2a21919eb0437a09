import Metrics
import Synchronization
import TestSupport

extension FuzzTarget {
    /// The first byte is the precision. What is decoded can be stored; what of it has a spelling is sent as lines that
    /// decode to the same values at the same times.
    static let lineProtocol = FuzzTarget("line_protocol", maximumBytes: 2048, seeds: { seeds }) { bytes in
        var input = FuzzInput(bytes)
        let precision = precisions[Int(input.byte()) % precisions.count]
        let body = input.rest
        let fresh = try? decode(body, precision)
        var reused: DecodedRequest?
        reusedDecoder.withLock { decoder in reused = try? decode(body, precision, &decoder) }
        try require(reused == fresh, "what was decoded before changes nothing")
        guard let request = fresh else { return }
        try DecodedChecks.hold(for: request, bodyBytes: body.count)
        let batch = request.batch
        var record = LineProtocolEncoder.Record()
        var sent: [UInt8] = []
        LineProtocolEncoder().append(batch, 0..<batch.points.count, into: &sent, record: &record)
        let carried = record.runs.flatMap(\.ordinals)
        let left = record.unrepresentable.map(\.ordinal)
        try require((carried + left).sorted() == Array(0..<batch.points.count), "every point is sent or excluded")
        let again = try sent.withUnsafeBytes { try decode($0, .nanoseconds) }
        try require(again.refusals.isEmpty, "what we send is refused by nobody: \(again.refusals)")
        try require(again.batch.points.times == carried.map { batch.points.times[$0] }, "times arrive")
        for (ordinal, origin) in carried.enumerated() {
            let kind = batch.points.kind(at: origin)
            try require(again.batch.points.kind(at: ordinal) == kind, "kinds arrive")
            if kind == .string { continue }
            try require(again.batch.points.bits[ordinal] == batch.points.bits[origin], "values arrive")
        }
    }

    private static let precisions: [LinePrecision] = [
        .nanoseconds, .microseconds, .milliseconds, .seconds, .minutes, .hours, .automatic,
    ]

    private static let reusedDecoder = Mutex(LineProtocolDecoder())

    private static func decode(_ body: UnsafeRawBufferPointer, _ precision: LinePrecision) throws -> DecodedRequest {
        var decoder = LineProtocolDecoder()
        return try decode(body, precision, &decoder)
    }

    private static func decode(
        _ body: UnsafeRawBufferPointer, _ precision: LinePrecision, _ decoder: inout LineProtocolDecoder
    ) throws -> DecodedRequest {
        var request = DecodedRequest()
        try decoder.decode(
            body, LineContext(precision: precision, arrivalTime: WireDecoding.arrival), into: &request)
        return request
    }

    private static let seeds: [[UInt8]] = [
        #"m\ x,t=a\,b f=1.5,g=2i,h="s\"\\",i=t 1790000000000000000"# + "\r\n# c\nn,a=b,c=d f=1\n",
        "cpu,host=a usage=0.5,total=12u,ok=false,s=\"x\ny\" 1790000000\ncpu,host=a usage=-1e-9 1790000001",
        "m f=1 \n\n,x f=1\nm,a= f=1\nm f=nan\nm f=\"open\nm,b=c\\ d f=1i -5\n",
    ].map { [0] + Array($0.utf8) }
}
