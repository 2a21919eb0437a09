import WALStore

/// Reads a remote write receiver's answer.
///
/// One that knows 2.0 says how much it has written, also with an error; which of it, it does not say, and must not be read
/// from its words. <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/#required-written-response-headers>
enum RemoteWriteAnswer {
    static func outcome(of response: HTTPResponse, to request: EncodedRequest, now: Int64) -> DeliveryOutcome {
        let shape = request.remoteWrite
        if refusesForm(response, shape) {
            let reason = "HTTP \(response.status): \(unknownForm(shape.form))\(HTTPOutcome.said(response))"
            return shape.mayFallBack ? .encodeAnew(reason: reason) : .hold(reason: reason)
        }
        guard shape.form == .second, isCounted(response.status), let written = Written(response) else {
            return outcome(of: response, now: now)
        }
        return outcome(of: response, written, request, now: now)
    }

    /// Of an answer that says nothing about how much was written.
    private static func outcome(of response: HTTPResponse, now: Int64) -> DeliveryOutcome {
        switch response.status {
        case 400 where Excerpt.holds(response.body, oversizePhrases): .tooLarge(limitBytes: nil)
        case 400:
            HTTPOutcome.refused(response, meansAlreadyThere: Excerpt.holds(response.body, alreadyTherePhrases))
        // Thanos: out of order, duplicate or too old, perhaps from one replica after others stored it.
        case 409: HTTPOutcome.refused(response, meansAlreadyThere: true)
        default: HTTPOutcome.of(response, now: now)
        }
    }

    // MARK: Forms

    /// Whether the answer shows that nobody there has read a request of this form, and nothing of it is stored.
    static func refusesForm(_ response: HTTPResponse, _ shape: RemoteWriteShape) -> Bool {
        switch (shape.form, response.status) {
        case (.first, _): false
        case (_, 415): true
        // Read as 1.0 a request of 2.0 is empty, and empty ones are taken: Prometheus 2, VictoriaMetrics.
        case (.second, 200...299): Written(response) == nil
        // Old receivers say so instead of 415. One that has taken this form before means the points.
        case (_, 400): shape.mayFallBack && !shape.isProven && (shape.form == .zstd || Written(response) == nil)
        default: false
        }
    }

    /// Whether the answer shows that the form is known there.
    static func showsForm(_ response: HTTPResponse, _ shape: RemoteWriteShape) -> Bool {
        switch shape.form {
        case .first: false
        case .zstd: (200...299).contains(response.status)
        case .second: Written(response) != nil
        }
    }

    private static func unknownForm(_ form: RemoteWriteForm) -> String {
        switch form {
        case .first, .zstd: "this form of remote write is not known there"
        case .second: "remote write 2.0 is not known there, and nothing was written"
        }
    }

    // MARK: Counts

    /// What `X-Prometheus-Remote-Write-*-Written` say.
    private struct Written {
        var samples: Int
        var histograms: Int

        /// - Returns: nil when none of them is there; one that is missing then counts nothing.
        init?(_ response: HTTPResponse) {
            func count(_ kind: String) -> Int? {
                response.headers["x-prometheus-remote-write-\(kind)-written"].flatMap { Int($0) }
                    .flatMap { $0 >= 0 ? $0 : nil }
            }
            let counts = (count("samples"), count("histograms"), count("exemplars"))
            if counts.0 == nil, counts.1 == nil, counts.2 == nil { return nil }
            samples = counts.0 ?? 0
            histograms = counts.1 ?? 0
        }
    }

    private static func isCounted(_ status: Int) -> Bool {
        (200...299).contains(status) || [400, 409, 422].contains(status)
    }

    private static func outcome(
        of response: HTTPResponse, _ written: Written, _ request: EncodedRequest, now: Int64
    ) -> DeliveryOutcome {
        let shape = request.remoteWrite
        // An exemplar or metadata may be what was refused: they are no points.
        if written.samples >= shape.samples, written.histograms >= shape.histograms { return .delivered }
        if !(200...299).contains(response.status) {
            // What is at fault is found by sending halves again; a point that is stored and is the newest of its series may
            // come again, and nothing else is stored here.
            if written.samples + written.histograms == 0 || !shape.repeatsSeries {
                return outcome(of: response, now: now)
            }
        }
        let kinds = [
            (what: "samples", written: written.samples, sent: shape.samples),
            (what: "histograms", written: written.histograms, sent: shape.histograms),
        ]
        return .partly(
            zip(kinds, request.items).compactMap { kind, runs in
                verdict(kind.what, kind.written, of: kind.sent, response).map { ItemOutcome(runs: runs, verdict: $0) }
            })
    }

    /// Of all samples, or all histograms; nil when they are written.
    private static func verdict(
        _ what: String, _ written: Int, of sent: Int, _ response: HTTPResponse
    ) -> ItemOutcome.Verdict? {
        guard written < sent else { return nil }
        let words = "\(written) of \(sent) \(what) were written\(HTTPOutcome.said(response))"
        if written == 0 {
            return .dead(DeadLetterReason(code: "refused", excerpt: words, status: response.status))
        }
        // To look for them would be to send again what is stored, which is out of order by now.
        return .assumed(reason: words)
    }

    // MARK: Words

    /// How receivers say that a sample is older than, or as old as, one they hold. Which sample is meant is not read from
    /// the text: the specification forbids that.
    static let alreadyTherePhrases = [
        // Prometheus storage/interface.go, and who embeds its TSDB: Cortex, Thanos, Mimir's ingesters.
        "out of order sample", "out-of-order sample", "duplicate sample for timestamp", "too old sample",
        // Mimir pkg/util/globalerror: ids that stay when the words change.
        "err-mimir-sample-out-of-order", "err-mimir-sample-duplicate-timestamp", "err-mimir-sample-timestamp-too-old",
        // The same for native histograms, Prometheus storage/interface.go.
        "out of order histogram",
    ]

    /// Who answers a body that is too large with 400: Mimir's distributor, and VictoriaMetrics (`-maxInsertRequestSize`).
    private static let oversizePhrases = [
        "err-mimir-distributor-max-write-message-size", "too big unpacked request", "too big packed request",
    ]
}
