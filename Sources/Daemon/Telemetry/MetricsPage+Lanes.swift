import Forwarder

extension MetricsPage {
    /// What the forwarder did since the process started: requests are counted apart from points, since a point may be
    /// sent twice.
    func writeLanes(into page: inout ExpositionWriter) {
        page.family("holdfast_delivery_answers_total", .counter, "Answers of backends, by what they asked for.")
        for lane in lanes {
            for (code, count) in lane.counters.answers.sorted(by: { $0.key < $1.key }) {
                page.sample("holdfast_delivery_answers_total", labels(lane) + [("code", code)], Double(count))
            }
        }
        let counters: [(String, String, (LaneCounters) -> UInt64)] = [
            ("holdfast_delivery_requests_total", "Requests sent, retries included.", { $0.requests }),
            ("holdfast_delivery_raw_bytes_total", "Bodies before compression, retries included.", { $0.rawBytes }),
            ("holdfast_delivery_sent_bytes_total", "Bodies as sent, retries included.", { $0.sentBytes }),
        ]
        for (name, help, value) in counters {
            page.family(name, .counter, help)
            for lane in lanes { page.sample(name, labels(lane), Double(value(lane.counters))) }
        }
        page.family("holdfast_delivery_in_flight_points", .gauge, "Points on their way at this moment.")
        for lane in lanes {
            page.sample("holdfast_delivery_in_flight_points", labels(lane), Double(lane.pointsInFlight))
        }
        writeLatencies(into: &page)
    }

    private func writeLatencies(into page: inout ExpositionWriter) {
        let name = "holdfast_delivery_seconds"
        page.family(name, .histogram, "How long backends took to answer.")
        for lane in lanes where !lane.counters.latency.counts.isEmpty {
            let latency = lane.counters.latency
            var running: UInt64 = 0
            for (bound, count) in zip(LatencyHistogram.boundsSeconds, latency.counts) {
                running += count
                page.sample("\(name)_bucket", labels(lane) + [("le", ExpositionWriter.text(bound))], Double(running))
            }
            page.sample("\(name)_bucket", labels(lane) + [("le", "+Inf")], Double(latency.count))
            page.sample("\(name)_sum", labels(lane), latency.sumSeconds)
            page.sample("\(name)_count", labels(lane), Double(latency.count))
        }
    }

    private func labels(_ lane: LaneStatus) -> [(String, String)] {
        [("tenant", lane.tenant), ("backend", lane.backend)]
    }
}
