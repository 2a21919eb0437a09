import Metrics

extension Doctor {
    /// Whether the Alertmanagers hear of what is wrong with the node.
    ///
    /// - Parameter alerts: as a running node's status has them; nil where its config names none.
    static func alertFindings(_ alerts: JSONValue?) -> [Finding] {
        (alerts?["alertmanagers"]?.array ?? []).map { one in
            let url = one["url"]?.string ?? "?"
            if let reason = one["reason"]?.string, !reason.isEmpty {
                return Finding(
                    "alerts", .warning, "\(url) does not take the node's alerts: \(reason)",
                    advice: "Nobody hears by this way of what is wrong; points are not affected.")
            }
            let words = one["last_success_at"]?.string.map { "took alerts at \($0)" } ?? "had nothing to be told yet"
            return Finding("alerts", .ok, "\(url) \(words)")
        }
    }
}
