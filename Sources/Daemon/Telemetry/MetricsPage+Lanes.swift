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
        page.family("holdfast_delivery_requests_total", .counter, "Requests sent, retries included.")
        for lane in lanes {
            page.sample("holdfast_delivery_requests_total", labels(lane), Double(lane.counters.requests))
        }
        page.family(
            "holdfast_delivery_bytes_total", .counter,
            "Bodies before compression (raw) and as they went out (sent), retries included.")
        for lane in lanes {
            for (form, bytes) in [("raw", lane.counters.rawBytes), ("sent", lane.counters.sentBytes)] {
                page.sample("holdfast_delivery_bytes_total", labels(lane) + [("form", form)], Double(bytes))
            }
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
