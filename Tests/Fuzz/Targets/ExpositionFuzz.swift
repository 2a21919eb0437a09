import Metrics
import Synchronization
import TestSupport

extension FuzzTarget {
    /// The text exposition format, as scraped from a stranger's target.
    static let exposition = FuzzTarget("exposition", maximumBytes: 2048, seeds: { seeds }) { bytes in
        var input = FuzzInput(bytes)
        let honorsTimestamps = input.byte() & 1 == 0
        let body = input.rest
        var decoder = ExpositionDecoder()
        var request = DecodedRequest()
        let context = ExpositionContext(
            scrapeTime: WireDecoding.arrival, target: ScrapeLabels([("job", "j"), ("instance", "i:1")]),
            honorsTimestamps: honorsTimestamps)
        let isRead = (try? decoder.decode(body, context, into: &request)) != nil
        var again = DecodedRequest()
        let isReadAgain = reusedExposition.withLock { decoder in
            (try? decoder.decode(body, context, into: &again)) != nil
        }
        try require(isRead == isReadAgain && (!isRead || again == request), "what was decoded before changes nothing")
        guard isRead else { return }
        try DecodedChecks.hold(for: request, bodyBytes: body.count)
        if !honorsTimestamps {
            try require(
                request.batch.points.times.allSatisfy { $0 == WireDecoding.arrival }, "the target's times are not taken"
            )
        }
    }

    private static let reusedExposition = Mutex(ExpositionDecoder())

    private static let seeds: [[UInt8]] = [
        "# HELP m a\\nb\n# TYPE m histogram\nm_bucket{le=\"+Inf\",x=\"\\\\\"} 0x1p-2 5\n{\"a.b\",c=\"d\"} NaN\n",
        "# TYPE up gauge\nup 1\nup{job=\"x\",zone=\"größe\"} -Inf 1790000000000\n# TYPE s summary\ns{quantile=\"0.5\"} 1e3\n"
            + "s_sum 3\ns_count 4\n",
        "# TYPE c counter\n# UNIT c seconds\nc_total{a=\"b\",} 1 # {trace_id=\"x\"} 0.5\n\n#\n# c\nno value\n",
    ].map { [0] + Array($0.utf8) }
}
