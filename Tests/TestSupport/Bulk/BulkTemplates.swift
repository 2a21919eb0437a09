import Metrics

/// A time series data stream as far as writing goes. <https://www.elastic.co/docs/manage-data/data-store/data-streams/time-series-data-stream-tsds>
struct BulkTimeSeries {
    var dimensions: [String]
    /// `@timestamp` is a `date_nanos`: else two points of a series within a millisecond are one document.
    var keepsNanoseconds: Bool
    /// Nanoseconds.
    var lookBack: Int64

    /// The id that the stream makes itself.
    func id(of source: JSONValue, given id: String?, now: Int64) throws(BulkFault) -> String {
        if id != nil {
            throw BulkFault(
                type: "illegal_argument_exception",
                reason: "_id must be unset or set to [x] but was [\(id ?? "")] because [.ds] is in time_series mode")
        }
        guard let text = source["@timestamp"]?.string, let time = RFC3339.parse(text) else {
            throw BulkFault(
                type: "document_parsing_exception", reason: "data stream timestamp field [@timestamp] is missing")
        }
        if now > 0, time < now - lookBack || time >= now + 1_800_000_000_000 {
            throw BulkFault(
                type: "timestamp_error",
                reason: "the document timestamp [\(text)] is outside of ranges of currently writable indices")
        }
        let values = dimensions.compactMap { name in source[name]?.string.map { "\(name)=\($0)" } }
        guard !values.isEmpty else {
            throw BulkFault(
                type: "document_parsing_exception",
                reason: "Error extracting routing: source didn't contain any routing fields")
        }
        return "\(values)@\(keepsNanoseconds ? time : time / 1_000_000)"
    }
}

/// What a cluster is asked for besides `_bulk`: what it is, and its index templates.
/// <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-put-index-template>
enum BulkTemplates {
    /// - Returns: nil when the path is another's.
    static func answer(
        _ request: HTTPTestServer.Request, _ path: [String], _ query: String, _ state: inout BulkServer.State
    ) -> HTTPTestServer.Action? {
        if path.isEmpty, request.method == "GET" { return root(state) }
        guard path.count == 2, path[0] == "_index_template" else { return nil }
        if !state.behaviour.mayManageTemplates {
            return BulkServer.error(
                403, "security_exception",
                "action [indices:admin/index_template/put] is unauthorized, this action is granted by the cluster privileges [manage_index_templates,manage,all]"
            )
        }
        switch request.method {
        case "GET": return get(path[1], state)
        case "PUT": return put(path[1], request.body, isCreate: query.contains("create=true"), &state)
        default: return BulkServer.error(405, "method_not_allowed", "Incorrect HTTP method")
        }
    }

    private static func root(_ state: BulkServer.State) -> HTTPTestServer.Action {
        if !state.behaviour.maySeeCluster {
            return BulkServer.error(403, "security_exception", "action [cluster:monitor/main] is unauthorized")
        }
        var version: [JSONValue.Member] = [.init("number", .string(state.behaviour.version))]
        if state.behaviour.isOpenSearch { version.append(.init("distribution", "opensearch")) }
        return reply(.object([.init("cluster_name", "test"), .init("version", .object(version))]))
    }

    private static func get(_ name: String, _ state: BulkServer.State) -> HTTPTestServer.Action {
        guard let template = state.templates[name] else {
            return BulkServer.error(404, "resource_not_found_exception", "index template matching [\(name)] not found")
        }
        let entry: JSONValue = .object([.init("name", .string(name)), .init("index_template", template)])
        return reply(.object([.init("index_templates", .array([entry]))]))
    }

    private static func put(
        _ name: String, _ body: [UInt8], isCreate: Bool, _ state: inout BulkServer.State
    ) -> HTTPTestServer.Action {
        do throws(BulkFault) {
            guard let template = try? JSONValue.parse(body) else {
                throw BulkFault(type: "parse_exception", reason: "the template is no JSON")
            }
            if isCreate, state.templates[name] != nil {
                throw BulkFault(type: "illegal_argument_exception", reason: "index template [\(name)] already exists")
            }
            try check(template, name, state)
            state.templates[name] = template
            state.templatesPut.append(name)
            return reply(.object([.init("acknowledged", true)]))
        } catch {
            return BulkServer.error(400, error.type, error.reason)
        }
    }

    private static func reply(_ value: JSONValue) -> HTTPTestServer.Action {
        var json = JSONWriter()
        json.value(value)
        return .reply(200, headers: [("Content-Type", "application/json")], body: json.bytes)
    }

    // MARK: What a template may say

    private static func check(_ template: JSONValue, _ name: String, _ state: BulkServer.State) throws(BulkFault) {
        func refusal(_ reason: String) -> BulkFault { BulkFault(type: "illegal_argument_exception", reason: reason) }
        guard let patterns = template["index_patterns"]?.array, !patterns.isEmpty,
            template.object?.allSatisfy({ known.contains($0.key) }) == true
        else { throw refusal("unknown field, or no index patterns") }
        for (other, there) in state.templates
        where other != name && there["priority"] == template["priority"]
            && there["index_patterns"] == template["index_patterns"]
        {
            throw refusal(
                "index template [\(name)] has index patterns \(patterns.compactMap(\.string)) matching patterns from existing templates [\(other)] "
                    + "that have the same priority, multiple index templates may not match during index creation, "
                    + "please use a different priority")
        }
        let settings = template["template"]?["settings"]
        guard settings?["index.mode"]?.string == "time_series" else { return }
        if state.behaviour.isOpenSearch {
            throw refusal("unknown setting [index.mode] please check that any required plugins are installed")
        }
        guard template["data_stream"] != nil, let routing = settings?["index.routing_path"]?.array, !routing.isEmpty
        else {
            throw refusal("[index.mode=time_series] requires a non-empty [index.routing_path]")
        }
        let properties = template["template"]?["mappings"]?["properties"]
        for path in routing {
            let field = properties?[path.string ?? ""]
            guard field?["type"]?.string == "keyword", field?["time_series_dimension"]?.bool == true,
                field?["ignore_above"] == nil
            else { throw refusal("All fields that match routing_path must be keyword time_series_dimensions") }
        }
        guard ["date", "date_nanos"].contains(properties?["@timestamp"]?["type"]?.string ?? "date") else {
            throw refusal("the data stream timestamp field must be a date")
        }
        guard let lookBack = lookBack(settings), (60...604_800).contains(lookBack) else {
            throw refusal("failed to parse value for setting [index.look_back_time], must be between 1m and 7d")
        }
    }

    private static let known = [
        "index_patterns", "priority", "data_stream", "template", "_meta", "version", "composed_of",
    ]

    /// Seconds.
    private static func lookBack(_ settings: JSONValue?) -> Int64? {
        guard let text = settings?["index.look_back_time"]?.string else { return 7_200 }
        return text.hasSuffix("s") ? Int64(text.dropLast()) : nil
    }

    // MARK: What a template does

    /// Makes a target that is not there by the template of the highest priority that matches it.
    static func make(_ target: String, _ state: inout BulkServer.State) {
        guard state.targets[target] == nil, !state.behaviour.dataStreams.contains(target) else { return }
        let matching = state.templates.values.filter { template in
            (template["index_patterns"]?.array ?? []).contains { matches(target, $0.string ?? "") }
        }
        guard let template = matching.max(by: { ($0["priority"]?.int ?? 0) < ($1["priority"]?.int ?? 0) }),
            template["data_stream"] != nil
        else { return }
        state.behaviour.dataStreams.insert(target)
        let settings = template["template"]?["settings"]
        guard settings?["index.mode"]?.string == "time_series" else { return }
        let properties = template["template"]?["mappings"]?["properties"]
        state.timeSeries[target] = BulkTimeSeries(
            dimensions: (properties?.object ?? []).filter { $0.value["time_series_dimension"]?.bool == true }.map(
                \.key),
            keepsNanoseconds: properties?["@timestamp"]?["type"]?.string == "date_nanos",
            lookBack: (lookBack(settings) ?? 7_200) * 1_000_000_000)
    }

    private static func matches(_ name: String, _ pattern: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return name == pattern }
        return name.count >= pattern.count - 1 && name.hasPrefix(parts[0]) && name.hasSuffix(parts[1])
    }
}
