import Metrics
import WALStore

/// Reads a `_bulk` answer: one item a document, in the order they were sent.
enum ElasticsearchAnswer {
    /// Statuses of thousands of items with an error each; what is longer is read as "not understood".
    static let maximumBytes = 16 << 20
    /// What a document in the failure store counts as.
    enum FailureStore: String, CaseIterable {
        /// It is not in the stream: a dead letter.
        case refused
        /// Whoever looks after the failure store looks after it.
        case delivered
    }

    /// JSON values an item may have: the filter leaves seven.
    private static let valuesPerItem = 32

    /// - Parameter items: the points of each document, by position.
    static func outcome(
        of response: HTTPResponse, to items: [[LeasedRun]], _ failureStore: FailureStore = .refused, hasIDs: Bool = true
    ) -> DeliveryOutcome {
        let outcome = read(response, items, failureStore)
        // Without ids each sending is a copy more, and the answer to it likely the same.
        if !hasIDs, case .retry(_, let reason) = outcome { return .hold(reason: reason) }
        return outcome
    }

    private static func read(
        _ response: HTTPResponse, _ items: [[LeasedRun]], _ failureStore: FailureStore
    ) -> DeliveryOutcome {
        guard !response.isCut else { return notUnderstood("the answer is longer than \(maximumBytes) bytes") }
        let document: JSONValue
        do throws(WireError) {
            document = try JSONValue.parse(response.body, depth: 16, values: 64 + items.count * valuesPerItem)
        } catch {
            return notUnderstood(error.description)
        }
        guard document["errors"]?.bool != nil, let answers = document["items"]?.array else {
            return notUnderstood("\"errors\" or \"items\" is missing")
        }
        guard answers.count == items.count else {
            return notUnderstood("\(items.count) documents sent, \(answers.count) answered")
        }
        var outcomes: [ItemOutcome] = []
        for (index, answer) in answers.enumerated() {
            // The action's name is the only key: `create`.
            guard let item = answer.object?.first?.value, let status = item["status"]?.int,
                let status = Int(exactly: status)
            else { return notUnderstood("item \(index) has no status") }
            if let verdict = verdict(on: item, status: status, failureStore) {
                outcomes.append(ItemOutcome(runs: items[index], verdict: verdict))
            }
        }
        return outcomes.isEmpty ? .delivered : .partly(outcomes)
    }

    /// An answer we cannot read says nothing about the documents; sending them again is harmless where they have ids.
    private static func notUnderstood(_ what: String) -> DeliveryOutcome {
        .retry(after: nil, reason: "the answer to _bulk was not understood: \(what)")
    }

    /// - Returns: nil when the document is stored.
    private static func verdict(
        on item: JSONValue, status: Int, _ failureStore: FailureStore
    ) -> ItemOutcome.Verdict? {
        let type = item["error"]?["type"]?.string ?? ""
        let words = item["error"]?["reason"]?.string ?? item["error"]?.string ?? ""
        let said = Excerpt.of(Array("\(type): \(words)".utf8))
        switch status {
        case 200...299:
            // Set aside in the failure store: not in the stream, although the status says created.
            // <https://www.elastic.co/docs/manage-data/data-store/data-streams/failure-store>
            guard item["failure_store"]?.string == "used", failureStore == .refused else { return nil }
            return .dead(DeadLetterReason(code: "failure_store", excerpt: "redirected to it", status: status))
        case 409 where type.isEmpty || type == "version_conflict_engine_exception": return .alreadyThere
        case 401, 403, 404: return .hold(reason: "item status \(status), \(said)")
        case 400 where isForOperator(type, words): return .hold(reason: "item status 400, \(said)")
        case 409, 429: return .retry(reason: "item status \(status), \(said)")
        case 400...499: return .dead(DeadLetterReason(code: "refused", excerpt: said, status: status))
        default: return .retry(reason: "item status \(status), \(said)")
        }
    }

    /// Errors of 400 that no document is to blame for: every one would get them until somebody acts.
    private static func isForOperator(_ type: String, _ words: String) -> Bool {
        switch type {
        // The cluster's limit of shards: "this action would add [2] shards, but ...".
        case "invalid_index_name_exception", "index_closed_exception", "validation_exception": true
        // An alias without a write index, a pipeline that is not there, or ids where none may be said: for a time series data
        // stream, and in a time series collection of Amazon's OpenSearch Serverless.
        case "illegal_argument_exception":
            words.contains("no write index is defined") || words.contains("pipeline with id [")
                || words.contains("in time_series mode") || words.contains("Document ID is not supported")
        default: false
        }
    }
}
