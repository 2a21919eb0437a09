import Metrics
import WALStore

@testable import Forwarder

extension FuzzTarget {
    /// What a backend that claims to be Elasticsearch answers to `_bulk`: the first byte is the number of documents sent.
    /// Nothing is said of a document that was not sent, and no document is held to be stored unless the answer names it.
    static let bulkAnswer = FuzzTarget("bulk_answer", seeds: { AnswerSeeds.bulk }) { bytes in
        var input = FuzzInput(bytes)
        let head = input.byte()
        let items = (0..<Int(head % 5)).map { [LeasedRun(piece: 0, ordinals: $0 * 2..<$0 * 2 + 2)] }
        var response = HTTPResponse(status: 200, headers: [:], body: Array(input.rest))
        response.isCut = head & 0x80 != 0
        switch ElasticsearchAnswer.outcome(of: response, to: items) {
        case .partly(let outcomes):
            try require(!outcomes.isEmpty && outcomes.count <= items.count, "an outcome for a document at most")
            let runs = outcomes.flatMap(\.runs)
            try require(Set(runs).count == runs.count && Set(runs).isSubset(of: items.flatMap { $0 }), "of those sent")
            for outcome in outcomes { try AnswerChecks.hold(for: outcome.verdict) }
        case .delivered:
            let answers = try JSONValue.parse(response.body)["items"]?.array ?? []
            try require(answers.count == items.count && !response.isCut, "each document was answered")
            let isStored = answers.allSatisfy { (200...299).contains($0.object?.first?.value["status"]?.int ?? 0) }
            try require(isStored, "with a status that says so")
        case .retry(let after, _): try require(after == nil, "the answer asks for no wait")
        case .tooLarge, .refused, .encodeAnew, .hold: throw FuzzFinding("a 200 is none of these")
        }
    }

    /// Any answer to a write: status, `Retry-After`, `Location`, body. Only a 2xx is a delivery, and no wait is negative;
    /// nor does remote write 2.0 deliver what was not counted.
    static let httpAnswer = FuzzTarget("http_answer", maximumBytes: 1024, seeds: { AnswerSeeds.http }) { bytes in
        var input = FuzzInput(bytes)
        let status = Int(input.byte()) << 8 | Int(input.byte())
        var pieces = input.split(10).map { Array($0) }
        let after = String(decoding: pieces.removeFirst(), as: UTF8.self)
        let location = String(decoding: pieces.isEmpty ? [] : pieces.removeFirst(), as: UTF8.self)
        let type = status % 2 == 0 ? "application/x-protobuf" : "application/json"
        var response = HTTPResponse(
            status: status, headers: ["retry-after": after, "location": location, "content-type": type],
            body: pieces.flatMap { $0 + [10] })
        for backend in AnswerChecks.backends { try AnswerChecks.check(response, backend, EncodedRequest()) }
        for status in [400, 422] {
            response.status = status
            try AnswerChecks.checkLines(response)
        }
        response.status = status
        for isProven in [false, true] {
            let request = AnswerChecks.secondRequest(isProven: isProven)
            for header in [after, "\(status % 7)"] {
                response.headers["x-prometheus-remote-write-samples-written"] = header
                try AnswerChecks.check(response, AnswerChecks.backends[0], request)
            }
        }
    }
}

private enum AnswerChecks {
    /// Three samples and a histogram.
    static func secondRequest(isProven: Bool) -> EncodedRequest {
        var request = EncodedRequest()
        request.points = 4
        request.items = [[LeasedRun(piece: 0, ordinals: 0..<3)], [LeasedRun(piece: 0, ordinals: 3..<4)]]
        request.remoteWrite = RemoteWriteShape(
            form: .second, isProven: isProven, mayFallBack: true, samples: 3, histograms: 1, repeatsSeries: true)
        return request
    }

    /// `a value=1 1` and so on, up to 3.
    static let lines: (request: EncodedRequest, body: [UInt8]) = {
        var batch = Batch()
        var labels = LabelBuilder()
        labels.add("__name__", "a")
        do { try labels.finish() } catch { preconditionFailure("a name is enough: \(error)") }
        let id = labels.canonical.withUnsafeBytes { batch.series.intern($0) }
        for time in 1...3 { batch.points.appendFloat64(series: id, time: Int64(time), bits: (1.0).bitPattern) }
        var record = LineProtocolEncoder.Record()
        var body: [UInt8] = []
        LineProtocolEncoder().append(batch, 0..<3, into: &body, record: &record)
        var request = EncodedRequest()
        request.lines.append(record, piece: 0)
        return (request, body)
    }()

    /// Three lines to an InfluxDB: whatever it says of them, it is said of lines that were sent, once, and none is delivered
    /// that may not be stored.
    static func checkLines(_ response: HTTPResponse) throws {
        switch InfluxDBAnswer.outcome(of: response, to: lines.request, now: 0, body: { lines.body }) {
        case .partly(let outcomes):
            let runs = outcomes.flatMap(\.runs)
            try require(Set(runs).count == runs.count, "a line has one verdict")
            try require(runs.allSatisfy { $0.piece == 0 && (0..<3).contains($0.ordinals.lowerBound) }, "of those sent")
            try require(
                outcomes.contains { if case .dead = $0.verdict { true } else { false } }, "it is about a refusal")
            for outcome in outcomes { try AnswerChecks.hold(for: outcome.verdict) }
        case .refused(let reason, _): try AnswerChecks.isBounded(reason.excerpt)
        case .delivered, .retry, .tooLarge, .encodeAnew, .hold: throw FuzzFinding("a refusal is none of these")
        }
    }

    static func check(_ response: HTTPResponse, _ backend: any Backend, _ request: EncodedRequest) throws {
        switch backend.outcome(of: .response(response), to: request) {
        case .delivered: try require((200...299).contains(response.status), "\(response.status) is no delivery")
        case .retry(let after, let reason):
            try require(after.map { $0 >= .zero } ?? true, "a wait is not negative: \(String(describing: after))")
            try AnswerChecks.isBounded(reason)
        case .refused(let reason, _): try AnswerChecks.isBounded(reason.excerpt)
        case .hold(let reason), .encodeAnew(let reason): try AnswerChecks.isBounded(reason)
        case .partly(let outcomes): for outcome in outcomes { try AnswerChecks.hold(for: outcome.verdict) }
        case .tooLarge: break
        }
    }

    static let backends: [any Backend] = [
        "prometheus_remote_write", "otlp_http", "influxdb", "splunk_hec", "http", "prometheus_pushgateway",
        "grafana_live",
    ].map { type in
        var entries = [(key: "url", line: 1, value: SettingsNode(.scalar("http://127.0.0.1:1/w"), line: 1))]
        if type == "influxdb" {
            entries.append((key: "database", line: 1, value: SettingsNode(.scalar("m"), line: 1)))
        }
        do {
            let settings = try Settings(SettingsNode(.map(entries), line: 1), path: "backends.b")
            return try makeBackend(type: type, name: "b", settings: settings, environment: BackendEnvironment())
        } catch {
            preconditionFailure("these settings are enough: \(error)")
        }
    }

    static func hold(for verdict: ItemOutcome.Verdict) throws {
        switch verdict {
        case .dead(let reason): try isBounded(reason.excerpt)
        case .retry(let reason), .hold(let reason), .assumed(let reason): try isBounded(reason)
        case .alreadyThere, .again: break
        }
    }

    /// What is stored and logged of an answer is short, and has no control characters.
    static func isBounded(_ text: String) throws {
        try require(text.utf8.count <= 4096, "\(text.utf8.count) bytes of an answer are kept")
        try require(text.utf8.allSatisfy { $0 >= 32 && $0 != 127 }, "no control characters: \(text)")
    }
}

private enum AnswerSeeds {
    static let bulk: [[UInt8]] = [
        (1, #"{"took":1,"errors":false,"items":[{"create":{"status":201}}]}"#),
        (
            3,
            #"{"errors":true,"items":[{"create":{"status":409}},{"create":{"status":400,"error":{"type":"#
                + #""document_parsing_exception","reason":"x"}}},{"create":{"status":429,"error":"slow"}}]}"#
        ),
        (0, #"{"errors":false,"items":[]}"#),
        (1, #"{"errors":true,"items":[{"create":{"status":201,"failure_store":"used"}}]}"#),
    ].map { [UInt8($0.0)] + Array($0.1.utf8) }

    static let http: [[UInt8]] = [
        (204, "\n\n"), (429, "120\n\nslow down"), (503, "Sun, 06 Nov 2033 08:49:37 GMT\n\n"),
        (400, "\n\nout of order sample"), (302, "-1\nhttp://u:p@x/y?z\n"), (500, "\n\nretention policy not found"),
        (413, "+5\n\n"), (200, "9223372036854775807\n\n{}"),
        (400, "\n\n{\"error\":\"partial write: points beyond retention policy dropped=1\"}"),
        (400, "\n\n{\"error\":\"partial write: unable to parse 'a value=1 2': x dropped=0\"}"),
        (
            422,
            "\n\n{\"error\":\"x\",\"data\":[{\"original_line\":\"a value=1 1\",\"line_number\":1,\"error_message\":\"y\"}]}"
        ),
    ].map { (status: Int, text: String) -> [UInt8] in [UInt8(status >> 8), UInt8(status & 255)] + Array(text.utf8) }
}
