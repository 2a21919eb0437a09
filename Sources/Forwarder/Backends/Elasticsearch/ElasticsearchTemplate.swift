import Metrics

/// The index template that `install_template` puts into a cluster: what the documents of `ElasticsearchDocuments` are mapped to.
///
/// One of ours is known by its `_meta`: who made it, and a digest of what was asked for. A template is left as it is while the
/// digest is the same, whatever else was changed in it by hand.
/// <https://www.elastic.co/docs/manage-data/data-store/templates>,
/// <https://www.elastic.co/docs/manage-data/data-store/data-streams/time-series-data-stream-tsds>
struct ElasticsearchTemplate: Sendable {
    enum Kind: Sendable, Equatable {
        case index
        case stream
        /// A time series data stream.
        ///
        /// - Parameter lookBack: how old the first points may be, as Elasticsearch spells times.
        case timeSeries(lookBack: String)
    }

    let name: String
    let kind: Kind
    /// Of indices or data streams.
    let pattern: String
    /// Elastic's own templates for `metrics-*-*` have 100.
    let priority: Int

    init(name: String, kind: Kind, target: TenantTemplate, priority: Int) {
        (self.name, self.kind, self.priority) = (name, kind, priority)
        pattern = target("*")
    }

    /// Whether names that are not Holdfast's are likely to match: all, or all of a kind that Elastic's own agents use.
    /// <https://www.elastic.co/docs/reference/fleet/data-streams#data-streams-naming-scheme>
    var isWide: Bool {
        guard let star = pattern.firstIndex(of: "*") else { return false }
        let beginning = pattern[..<star]
        return beginning.isEmpty
            || ["metrics-", "logs-", "traces-", "synthetics-", "profiling-"].contains { $0.hasPrefix(beginning) }
    }

    /// The whole template.
    var body: [UInt8] {
        var json = JSONWriter()
        json.value(.object(content + [.init("_meta", meta)]))
        return json.bytes
    }

    /// Whether `found`, the cluster's template of this name, is one of ours and for the same data.
    func isOurs(_ found: JSONValue) -> Bool {
        found["_meta"]?["managed_by"]?.string == ElasticsearchTemplate.maker
            && found["index_patterns"]?.array == [.string(pattern)]
    }

    /// Whether it was made of the same wishes.
    func isSame(_ found: JSONValue) -> Bool { found["_meta"]?["digest"]?.string == digest }

    private static let maker = "holdfast"

    private var meta: JSONValue {
        .object([.init("managed_by", .string(ElasticsearchTemplate.maker)), .init("digest", .string(digest))])
    }

    private var digest: String {
        var json = JSONWriter()
        json.value(.object(content))
        return SHA256Digest.hexadecimal(SHA256Digest.of(json.bytes))
    }

    // MARK: Content

    private var content: [JSONValue.Member] {
        var members: [JSONValue.Member] = [
            .init("index_patterns", .array([.string(pattern)])), .init("priority", .int(Int64(priority))),
        ]
        if kind != .index { members.append(.init("data_stream", .object([]))) }
        members.append(.init("template", .object([.init("settings", settings), .init("mappings", mappings)])))
        return members
    }

    private var settings: JSONValue {
        guard case .timeSeries(let lookBack) = kind else { return .object([]) }
        return .object([
            .init("index.mode", "time_series"), .init("index.routing_path", .array(["series"])),
            .init("index.look_back_time", .string(lookBack)),
        ])
    }

    private var mappings: JSONValue {
        var properties: [JSONValue.Member] = [
            // Milliseconds would make one document of two points: of a time series data stream the time is part of the id.
            .init("@timestamp", field("date_nanos")), .init("start_timestamp", field("date_nanos")),
            .init("value_bool", field("boolean")), .init("value_string", text),
        ]
        if case .timeSeries = kind {
            properties.append(.init("series", field("keyword", .init("time_series_dimension", true))))
            properties.append(.init("value", field("double", .init("time_series_metric", "gauge"))))
        } else {
            properties.append(.init("value", field("double")))
        }
        for name in ["name", "field", "unit", "kind", "temporality", "scope_name", "scope_version"] {
            properties.append(.init(name, text))
        }
        // Kept, and not searched: lists of numbers that mean nothing one by one.
        for name in ["histogram", "exponential_histogram", "summary"] {
            properties.append(.init(name, field("object", .init("enabled", false))))
        }
        let texts: JSONValue = .object([
            .init("texts", .object([.init("match_mapping_type", "string"), .init("mapping", text)]))
        ])
        return .object([
            .init("dynamic_templates", .array([texts])), .init("properties", .object(properties)),
        ])
    }

    /// Lucene's limit of a term is 32,766 bytes; a character has four at most.
    private var text: JSONValue { field("keyword", .init("ignore_above", .int(8191))) }

    private func field(_ type: String, _ more: JSONValue.Member...) -> JSONValue {
        .object([.init("type", .string(type))] + more)
    }
}
