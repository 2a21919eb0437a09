import Metrics
import WALStore

/// Anchors in what a Prometheus, or who answers like one, says of the points that went to it (`AnchorPoints`), or of a
/// `/metrics` page that it scraped: the JSON of `/api/v1/query`, `query_range` or `series`.
/// <https://prometheus.io/docs/prometheus/latest/querying/api/>
struct AnchorAnswer {
    /// Values of one time, in series that differ in nothing but the word.
    private struct Place: Hashable {
        var labels: [String]
        var time: Double

        var order: (Double, String) { (time, labels.joined(separator: ",")) }
    }
    private struct Parts {
        var tenant: String
        var length: Int64?
        var words = [UInt32?](repeating: nil, count: AnchorPoints.words)
    }

    private static let information = "holdfast_chain_head_info"

    private var parts: [Place: Parts] = [:]
    /// In the order in which they came, each once: a range with small steps has the same one again and again.
    private var anchors: [ChainAnchor] = []
    private var seen: Set<ChainAnchor> = []

    /// - Returns: nil for what is no such answer.
    /// - Throws: for an anchor that is not there whole.
    static func anchors(in value: JSONValue) throws(AnchorFile.Mistake) -> [ChainAnchor]? {
        guard value["status"]?.string == "success", let data = value["data"] else { return nil }
        var answer = AnchorAnswer()
        for series in data.array ?? [] { answer.addInformation(series) }
        for series in data["result"]?.array ?? [] {
            guard let labels = series["metric"] else { continue }
            answer.addInformation(labels)
            for sample in series["values"]?.array ?? series["value"].map({ [$0] }) ?? [] {
                try answer.add(sample, labels)
            }
        }
        try answer.join()
        return answer.anchors
    }

    private mutating func add(_ anchor: ChainAnchor) {
        if seen.insert(anchor).inserted { anchors.append(anchor) }
    }

    private mutating func addInformation(_ labels: JSONValue) {
        guard labels["__name__"]?.string == AnchorAnswer.information, let tenant = labels["tenant"]?.string,
            let length = labels["length"]?.string, let head = labels["head"]?.string,
            let anchor = ChainAnchor("\(length):\(head)", tenant: tenant)
        else { return }
        add(anchor)
    }

    private mutating func add(_ sample: JSONValue, _ labels: JSONValue) throws(AnchorFile.Mistake) {
        guard let name = labels["__name__"]?.string, [AnchorPoints.length, AnchorPoints.word].contains(name) else {
            return
        }
        guard let tenant = labels["tenant"]?.string, let pair = sample.array, pair.count == 2,
            let time = pair[0].double, let text = pair[1].string, let value = Double(text)
        else { throw AnchorFile.Mistake(text: "a sample of \(name) that is none") }
        let others = (labels.object ?? []).filter { $0.key != "__name__" && $0.key != "word" }
        let place = Place(labels: others.map { "\($0.key)=\($0.value.string ?? "")" }.sorted(), time: time)
        var found = parts[place] ?? Parts(tenant: tenant)
        if name == AnchorPoints.length {
            found.length = Int64(exactly: value)
        } else if let index = labels["word"]?.string.flatMap({ Int($0) }), found.words.indices.contains(index) {
            found.words[index] = UInt32(exactly: value)
        }
        parts[place] = found
    }

    private mutating func join() throws(AnchorFile.Mistake) {
        for (place, found) in parts.sorted(by: { $0.key.order < $1.key.order }) {
            let words = found.words.compactMap { $0 }
            guard let length = found.length, words.count == AnchorPoints.words,
                let anchor = ChainAnchor("\(length):\(AnchorPoints.head(of: words))", tenant: found.tenant)
            else {
                throw AnchorFile.Mistake(
                    text:
                        "an anchor of \(found.tenant), of \(place.time), without all of its \(AnchorPoints.count) values"
                )
            }
            add(anchor)
        }
    }
}
