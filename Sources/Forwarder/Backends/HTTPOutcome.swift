import Metrics
import WALStore

/// What HTTP itself says about an answer (RFC 9110 section 15), for statuses that a backend has no rule of its own for.
enum HTTPOutcome {
    /// - Parameter now: wall clock, nanoseconds since the epoch: a Retry-After may be a date.
    static func of(_ response: HTTPResponse, now: Int64) -> DeliveryOutcome {
        switch response.status {
        case 200...299: .delivered
        case 300...399:
            .hold(reason: "HTTP \(response.status): redirected\(target(of: response)); \(advice(of: response))")
        case 401, 403, 407: .hold(reason: "HTTP \(response.status): credentials refused\(said(response))")
        case 402: .hold(reason: "HTTP 402: the account does not allow it\(said(response))")
        case 404, 405, 410: .hold(reason: "HTTP \(response.status): nothing takes writes at this url\(said(response))")
        case 406, 415: .hold(reason: "HTTP \(response.status): this format is not taken there\(said(response))")
        case 408, 425, 429: retry(response, now: now)
        case 413: .tooLarge(limitBytes: nil)
        case 400...499: refused(response)
        default: retry(response, now: now)
        }
    }

    /// Of what came back, or did not.
    ///
    /// - Parameter read: by the backend's own rules, with the wall clock for a Retry-After that is a date.
    static func of(
        _ answer: Answer, saysRefusalsAsPages: Bool = false,
        _ read: (HTTPResponse, _ now: Int64) -> DeliveryOutcome
    ) -> DeliveryOutcome {
        switch answer {
        case .response(let response):
            checked(
                response, read(response, TimeSource.system.wall()), saysRefusalsAsPages: saysRefusalsAsPages)
        case .failure(let failure): .retry(after: nil, reason: failure.reason)
        case .said(let outcome): outcome
        }
    }

    /// What an answer means, where it is one of a backend: a success or a refusal of points that is a web page is somebody
    /// else's, a proxy's or that of a network which asks for a login first.
    ///
    /// - Parameter saysRefusalsAsPages: as frameworks for an API of one's own do.
    static func checked(
        _ response: HTTPResponse, _ outcome: DeliveryOutcome, saysRefusalsAsPages: Bool = false
    ) -> DeliveryOutcome {
        switch outcome {
        case .delivered where isWebPage(response), .partly where isWebPage(response):
            .retry(
                after: nil,
                reason: "HTTP \(response.status) with a web page: a proxy, or a login page of the network, answers "
                    + "in place of the backend\(said(response))")
        case .refused where isWebPage(response) && !saysRefusalsAsPages:
            .hold(
                reason: "HTTP \(response.status) with a web page, which is no answer of a backend: "
                    + "is the url right?\(said(response))")
        // VictoriaMetrics, which says 400.
        case .refused where response.status == 400 && isUnknownPath(response):
            .hold(reason: "HTTP \(response.status): nothing takes writes at this url\(said(response))")
        default: outcome
        }
    }

    private static func isUnknownPath(_ response: HTTPResponse) -> Bool {
        Excerpt.holds(Array(response.body.prefix(512)), ["unsupported path requested"])
    }

    /// By what it is: many frameworks call each answer one.
    private static func isWebPage(_ response: HTTPResponse) -> Bool {
        let text = Excerpt.of(response.body, bytes: 64).lowercased()
        return text.hasPrefix("<!doctype html") || text.hasPrefix("<html")
    }

    static func retry(_ response: HTTPResponse, now: Int64) -> DeliveryOutcome {
        let after = response.headers["retry-after"].flatMap { RetryAfter.parse($0, now: now) }
        return .retry(after: after, reason: "HTTP \(response.status)\(said(response))")
    }

    static func refused(_ response: HTTPResponse, meansAlreadyThere: Bool = false) -> DeliveryOutcome {
        let reason = DeadLetterReason(code: "refused", excerpt: Excerpt.of(response.body), status: response.status)
        return .refused(reason, meansAlreadyThere: meansAlreadyThere)
    }

    /// The answer's own words, to put behind ours.
    static func said(_ response: HTTPResponse) -> String {
        let text = Excerpt.of(response.body, bytes: 256)
        return text.isEmpty ? "" : ": \(text)"
    }

    private static func advice(of response: HTTPResponse) -> String {
        isWebPage(response) ? "set the url to it, unless it is the login page of a network" : "set the url to it"
    }

    private static func target(of response: HTTPResponse) -> String {
        guard let location = response.headers["location"] else { return "" }
        // A login or a query there is nobody's business.
        let plain = location.prefix { $0 != "?" && $0 != "#" }
        guard !plain.contains("@") else { return "" }
        return " to " + Excerpt.of(Array(plain.utf8), bytes: 256)
    }
}

/// The beginning of what a backend said, fit for a log and a dead letter.
enum Excerpt {
    /// - Returns: at most `bytes` bytes of UTF-8, control characters and broken pieces made blank, ends trimmed.
    static func of(_ body: some Collection<UInt8>, bytes: Int = DeadLetterReason.excerptBytes) -> String {
        var kept: [UInt8] = []
        var isBlank = true
        for byte in body.prefix(bytes) {
            if byte <= 32 || byte == 127 {
                if !isBlank { kept.append(32) }
                isBlank = true
            } else {
                kept.append(byte)
                isBlank = false
            }
        }
        if isBlank { _ = kept.popLast() }
        var text = String(decoding: kept, as: UTF8.self)
        // A character cut in two became U+FFFD, which may be longer than what it stands for.
        while text.utf8.count > bytes { text.removeLast() }
        return text
    }

    /// Whether `body` holds one of `phrases`, which are in lower case.
    static func holds(_ body: [UInt8], _ phrases: [String]) -> Bool {
        let text = String(decoding: body.prefix(16 << 10), as: UTF8.self).lowercased()
        return phrases.contains { text.contains($0) }
    }
}
