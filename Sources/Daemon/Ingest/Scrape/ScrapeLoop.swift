import Forwarder
import Metrics
import WALStore

/// Scrapes one target again and again, one scrape at a time, until its task is cancelled.
struct ScrapeLoop: Sendable {
    /// What a scrape needs of the outside.
    struct Surroundings: Sendable {
        var ingest: Ingest
        var transport: HTTPTransport
        var slots: ScrapeSlots
        /// Waits; throws when cancelled.
        var sleep: @Sendable (Duration) async throws -> Void
    }
    static let source = "scrape"
    /// Text exposition; the rest is for servers that know nothing else.
    private static let accept = "text/plain;version=0.0.4;q=1,text/plain;q=0.5,*/*;q=0.1"

    let job: ScrapeJob
    let target: ScrapeTarget
    let surroundings: Surroundings

    private var ingest: Ingest { surroundings.ingest }

    /// - Returns: when it was cancelled; `saysFarewell` then decides whether its series get stale markers.
    func run(saysFarewell: @Sendable () -> Bool) async {
        let schedule = ScrapeSchedule(interval: job.interval, hash: target.hash)
        var series = ScrapeSeries(target)
        do {
            try await surroundings.sleep(schedule.firstDelay)
            while true {
                try await surroundings.slots.take()
                await scrape(&series)
                await surroundings.slots.putBack()
                try await surroundings.sleep(schedule.delay(after: ingest.now()))
            }
        } catch {
            guard saysFarewell() else { return }
            let request = series.farewell(time: scrapeTime())
            if !request.batch.isEmpty { await store(request, bodyBytes: 0, ticket: nil) }
        }
    }

    /// Whole milliseconds, as Prometheus has them: blocks then store them in half the room.
    private func scrapeTime() -> Int64 { ingest.now() / 1_000_000 * 1_000_000 }

    private func scrape(_ series: inout ScrapeSeries) async {
        let time = scrapeTime()
        let started = MonotonicTime.now()
        let answer = await surroundings.transport.perform(request)
        // A cancelled scrape says nothing about its target.
        if Task.isCancelled { return }
        let limits = ingest.policy.limits.wire
        var bodyBytes = 0
        var decoded: DecodedRequest?
        if case .response(let response) = answer, response.status == 200, !response.isCut {
            bodyBytes = response.body.count
            decoded = decode(response, time: time, limits)
        }
        var request = decoded ?? DecodedRequest()
        let outcome = ScrapeSeries.Outcome(
            isUp: decoded != nil, durationSeconds: Double(MonotonicTime.now() - started) / 1e9,
            samples: request.batch.points.count + request.refusals.totalPoints)
        series.complete(&request, outcome, time: time)
        let ticket = IngestTicket(ingest.gate, tenant: job.tenant, maximumBodyBytes: job.maximumBodyBytes)
        guard ticket.hold(bytes: Ingest.memoryBytes(of: request)) else {
            ingest.report(IngestRecord(source: ScrapeLoop.source, tenant: job.tenant, status: 503))
            return
        }
        await store(request, bodyBytes: bodyBytes, ticket: ticket)
    }

    private var request: HTTPRequest {
        let seconds = Double(job.timeout.nanoseconds) / 1e9
        return HTTPRequest(
            .get, target.url,
            headers: [
                ("Accept", ScrapeLoop.accept), ("Accept-Encoding", "gzip"),
                ("X-Prometheus-Scrape-Timeout-Seconds", String(seconds)),
            ],
            timeout: job.timeout, connectTimeout: job.timeout, tls: job.tls, authentication: job.authentication,
            maximumResponseBytes: job.maximumBodyBytes)
    }

    /// nil when the answer is no exposition: the target then counts as down.
    private func decode(_ response: HTTPResponse, time: Int64, _ limits: WireLimits) -> DecodedRequest? {
        guard let coding = ContentCoding(header: response.headers["content-encoding"]), coding != .snappy else {
            return nil
        }
        let labels = ScrapeLabels(target.labels.map { ($0.name, $0.value) }, honorsLabels: job.honorsLabels)
        let context = ExpositionContext(scrapeTime: time, target: labels)
        return try? ingest.pool.withContext(reading: response.body.count) { memory throws(WireError) in
            memory.plain.removeAll(keepingCapacity: true)
            var decompressor = Decompressor(coding, limit: job.maximumBodyBytes)
            try decompressor.feedAll(response.body, into: &memory.plain)
            try memory.decodeExposition(context, limits)
            return memory.decoded
        }
    }

    private func store(_ request: DecodedRequest, bodyBytes: Int, ticket: IngestTicket?) async {
        let arrival = Arrival(
            source: ScrapeLoop.source, peer: target.instance, requestID: RequestIdentity.requestID(nil),
            bodyBytes: bodyBytes)
        // A target is not asked again before its last scrape is on disk, or refused: a full disk slows scraping down.
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            ingest.store(request, arrival, tenant: job.tenant, ticket: ticket) { _ in done.resume() }
        }
    }
}

extension DecodeContext {
    fileprivate func decodeExposition(_ context: ExpositionContext, _ limits: WireLimits) throws(WireError) {
        let failure = plain.withUnsafeBytes { body -> WireError? in
            do throws(WireError) {
                try exposition.decode(body, context, limits: limits, into: &decoded)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }
}
