import Forwarder
import Metrics
import TestSupport

/// A backend as far as it matters: it takes requests in the formats of the real one, keeps what it accepts, and answers
/// as the real one does, or as badly as its mood says.
final class SimulatedServer {
    /// What it, or the network before it, does with requests for a while.
    enum Mood: String, CaseIterable {
        case well
        case refusesConnections, timesOutBefore, timesOutAfter, arrivesLate, resetsBefore, resetsAfter
        case busy, overloaded, unavailable, failing, badGateway
        case unauthorized, forbidden, missing, redirects
        case tooLarge, garbage, flaky
    }

    let number: Int
    let type: String
    var mood = Mood.well
    /// Points one request may have while the mood is `tooLarge`.
    static let pointsWhileTooLarge = 7
    /// By tenant: bits of the values it has.
    private(set) var accepted: [String: Set<UInt64>] = [:]
    /// By tenant and series: time of the newest sample and its value.
    private var newest: [String: (time: Int64, bits: UInt64)] = [:]
    /// Ids of documents, by index.
    private var documents: Set<String> = []

    private let takesOldPoints: Bool

    init(number: Int, type: String, takesOldPoints: Bool) {
        self.number = number
        self.takesOldPoints = takesOldPoints
        self.type = type
    }

    func has(_ bits: UInt64, of tenant: String) -> Bool { accepted[tenant]?.contains(bits) ?? false }

    /// One sample of a request, as decoded.
    struct Sample {
        var series: String
        var time: Int64
        var bits: UInt64
    }

    enum Reply {
        case status(Int, String = "", headers: [String: String] = [:])
    }

    /// Takes a request that has arrived whole.
    ///
    /// - Parameter overloads: whether an item may be put off, for answers by item.
    func take(_ request: HTTPRequest, mood: Mood, _ roll: (UInt64) -> UInt64) -> Reply {
        switch mood {
        case .busy: return .status(429, "slow down", headers: ["retry-after": "\(1 + roll(90))"])
        case .overloaded where type != "elasticsearch": return .status(429, "slow down")
        case .unavailable: return .status(503, "", headers: roll(2) == 0 ? [:] : ["retry-after": "7"])
        case .failing: return .status(500, "internal error")
        case .badGateway: return .status(502, "bad gateway")
        case .unauthorized: return .status(401, "who are you")
        case .forbidden: return .status(403, "not you")
        case .missing: return .status(404, "not here")
        case .redirects: return .status(301, "", headers: ["location": "http://elsewhere/"])
        default: break
        }
        switch type {
        case "prometheus_remote_write": return takeRemoteWrite(request, mood)
        case "influxdb": return takeLines(request, mood)
        default: return takeBulk(request, mood, roll)
        }
    }

    // MARK: Remote write: order kept, all or nothing

    private func takeRemoteWrite(_ request: HTTPRequest, _ mood: Mood) -> Reply {
        guard let tenant = request.headers.first(where: { $0.name == "X-Scope-OrgID" })?.value,
            let samples = SimulatedWire.remoteWrite(request.body)
        else { return .status(400, "malformed") }
        if mood == .tooLarge, samples.count > SimulatedServer.pointsWhileTooLarge { return .status(413, "too large") }
        if samples.contains(where: { SimulatedPoint.nature(SimulatedPoint.number($0.bits)) == .stuck }) {
            return .status(500, "cannot append this sample")
        }
        var staged: [String: (time: Int64, bits: UInt64)] = [:]
        for sample in samples {
            if SimulatedPoint.nature(SimulatedPoint.number(sample.bits)) == .poison {
                return .status(400, "bad sample")
            }
            let key = tenant + "/" + sample.series
            if let last = staged[key] ?? newest[key] {
                if sample.time < last.time {
                    guard takesOldPoints else { return .status(400, "out of order sample") }
                    continue
                }
                if sample.time == last.time, sample.bits != last.bits {
                    return .status(400, "duplicate sample for timestamp")
                }
            }
            staged[key] = (sample.time, sample.bits)
        }
        newest.merge(staged) { $1 }
        accepted[tenant, default: []].formUnion(samples.map(\.bits))
        return .status(204)
    }

    // MARK: Line protocol: good lines stay, a point twice is one point

    private func takeLines(_ request: HTTPRequest, _ mood: Mood) -> Reply {
        guard let tenant = SimulatedWire.query("db", of: request.url),
            let samples = SimulatedWire.lines(request.body)
        else { return .status(400, "malformed") }
        if mood == .tooLarge, samples.count > SimulatedServer.pointsWhileTooLarge { return .status(413, "too large") }
        let good = samples.filter { SimulatedPoint.nature(SimulatedPoint.number($0.bits)) != .poison }
        accepted[tenant, default: []].formUnion(good.map(\.bits))
        let dropped = samples.count - good.count
        return dropped == 0
            ? .status(204) : .status(400, "partial write: points beyond retention policy dropped=\(dropped)")
    }

    // MARK: Bulk: item by item, a document that is there is a conflict

    private func takeBulk(_ request: HTTPRequest, _ mood: Mood, _ roll: (UInt64) -> UInt64) -> Reply {
        guard let (index, items) = SimulatedWire.bulk(request) else { return .status(400, "malformed") }
        if mood == .tooLarge, items.count > SimulatedServer.pointsWhileTooLarge { return .status(413, "too large") }
        let tenant = String(index.dropFirst("metrics-".count))
        var hasErrors = false
        var answers: [String] = []
        for item in items {
            if mood == .overloaded, roll(3) == 0 {
                hasErrors = true
                answers.append(
                    #"{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"busy"}}}"#)
            } else if documents.contains(index + "/" + item.id) {
                hasErrors = true
                answers.append(
                    #"{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"there"}}}"#)
            } else if SimulatedPoint.nature(SimulatedPoint.number(item.bits)) == .poison {
                hasErrors = true
                answers.append(
                    #"{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"bad"}}}"#)
            } else {
                documents.insert(index + "/" + item.id)
                accepted[tenant, default: []].insert(item.bits)
                answers.append(#"{"create":{"status":201}}"#)
            }
        }
        if mood == .garbage { return .status(200, "<html>") }
        return .status(200, "{\"errors\":\(hasErrors),\"items\":[\(answers.joined(separator: ","))]}")
    }
}
