import Metrics
import WALStore

/// Elasticsearch and OpenSearch through `_bulk`, into an index or a data stream.
///
/// Own keys: `index` or `data_stream` (one of them, may hold `{tenant}`), `time_series`, `install_template`, `template_priority`,
/// `look_back_time`, `document_ids`, `failure_store: refused | delivered`, `api_key` (the encoded form, or `id:key`) and `api_keys` by
/// tenant, `gzip`, `pipeline`. The rest as in `HTTPEndpoint`. What a point becomes is in `ElasticsearchDocuments.swift`.
/// <https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html>,
/// <https://docs.opensearch.org/latest/api-reference/document-apis/bulk/>
public struct Elasticsearch: Backend {
    public static let type = "elasticsearch"
    public let traits: BackendTraits
    public var oldPoints: String {
        "It takes points of any age; a time series data stream those of its look_back_time (2 h by default)."
    }

    private let endpoint: HTTPEndpoint
    /// An index or a data stream: both are only ever sent `create`, which a data stream demands and which tells a
    /// document that is there (409) from one that is new.
    private let target: TenantTemplate
    private let pipeline: String?
    private let apiKey: TenantSecret
    private let ids: ElasticsearchDocuments.IDs
    private let failureStore: ElasticsearchAnswer.FailureStore
    private let installer: ElasticsearchInstaller?
    private let isCompressed: Bool
    private let scratch = ScratchPool { ElasticsearchDocuments() }

    public init(name: String, settings: Settings) throws(SettingsError) {
        endpoint = try HTTPEndpoint(settings, reserved: ["accept"])
        try endpoint.refuseQuery(settings, in: "the cluster's")
        target = try Self.target(settings)
        pipeline = try settings.string("pipeline")
        isCompressed = try settings.bool("gzip", default: true)
        apiKey = try TenantSecret(settings, "api_key", map: "api_keys")
        failureStore = try settings.choice("failure_store", default: .refused)
        ids = try Self.ids(settings)
        installer = try Self.template(settings, name, target, isTimeSeries: ids == .made)
            .map { ElasticsearchInstaller($0) }
        if !apiKey.isEmpty, endpoint.authentication != .none {
            throw SettingsError(
                "\(settings.path): api_key excludes basic_auth and bearer_token",
                line: settings.line(of: settings.has("api_key") ? "api_key" : "api_keys"))
        }
        // Bodies of a few MiB are what the manual advises; the least that is set for anybody is 10 MiB (small nodes at Amazon),
        // before compression. A document is told apart by its id, so order means nothing.
        traits = try BackendTraits(
            keepsOrder: false, maximumPoints: 2000, maximumBodyBytes: 5 << 20, maximumRawBytes: 8 << 20,
            concurrency: 2
        ).overridden(by: settings)
    }

    private static func target(_ settings: Settings) throws(SettingsError) -> TenantTemplate {
        let index = try TenantTemplate(settings, "index")
        let stream = try TenantTemplate(settings, "data_stream")
        guard let target = index ?? stream, index == nil || stream == nil else {
            throw SettingsError("\(settings.path) needs either index or data_stream", line: settings.line)
        }
        let key = index == nil ? "data_stream" : "index"
        if let fault = ElasticsearchName.fault(in: target("tenant")) {
            throw SettingsError(
                "\(settings.name(of: key)): \"\(target.text)\" \(fault)", line: settings.line(of: key))
        }
        return target
    }

    private static func ids(_ settings: Settings) throws(SettingsError) -> ElasticsearchDocuments.IDs {
        let hasOwn = try settings.bool("document_ids", default: true)
        guard try settings.bool("time_series", default: false) else { return hasOwn ? .own : .none }
        guard !settings.has("index") else {
            throw SettingsError(
                "\(settings.name(of: "time_series")) needs a data_stream", line: settings.line(of: "time_series"))
        }
        guard !settings.has("document_ids") else {
            throw SettingsError(
                "\(settings.name(of: "document_ids")): a time series data stream makes them itself",
                line: settings.line(of: "document_ids"))
        }
        return .made
    }

    /// - Returns: nil where none is to be installed.
    private static func template(
        _ settings: Settings, _ name: String, _ target: TenantTemplate, isTimeSeries: Bool
    ) throws(SettingsError) -> ElasticsearchTemplate? {
        guard try settings.bool("install_template", default: false) else { return nil }
        var kind = ElasticsearchTemplate.Kind.index
        if isTimeSeries {
            let lookBack = try settings.duration("look_back_time") ?? .seconds(7 * 86_400)
            guard lookBack >= .seconds(60), lookBack <= .seconds(7 * 86_400) else {
                throw SettingsError(
                    "\(settings.name(of: "look_back_time")) must lie between 1m and 7d",
                    line: settings.line(of: "look_back_time"))
            }
            kind = .timeSeries(lookBack: "\(lookBack.components.seconds)s")
        } else if settings.has("data_stream") {
            kind = .stream
        }
        let template = ElasticsearchTemplate(
            name: "holdfast-\(name)", kind: kind, target: target,
            priority: try settings.int("template_priority", default: 300, in: 0...1_000_000))
        guard !template.isWide else {
            throw SettingsError(
                "\(settings.name(of: "install_template")): a template for \(template.pattern) would be one for data of others; "
                    + "give the name a beginning of its own, such as metrics-holdfast-{tenant}",
                line: settings.line(of: "install_template"))
        }
        return template
    }

    // MARK: Out

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        scratch.withScratch { documents in
            documents.begin(tenant: chunk.tenant, ids)
            for run in chunk.runs {
                documents.append(chunk.pieces[run.piece].batch, run, into: &request)
            }
            guard request.points > 0 else { return }
            request.fill(documents.body, isCompressed: isCompressed)
        }
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        let target = target(chunk.tenant)
        if let fault = ElasticsearchName.fault(in: target) {
            // The tenant's id decides, so only its owner can mend it: nothing is sent, nothing is lost.
            return .failure(
                TransportFailure(mayHaveArrived: false, reason: "the index name \"\(target)\" \(fault)"))
        }
        let key = apiKey(chunk.tenant)
        if key == nil, !apiKey.isEmpty {
            return .said(.hold(reason: "tenant \(chunk.tenant) has no entry in api_keys, and there is no api_key"))
        }
        if let answer = await installer?.install({ await ask($0, $1, $2, key, over: transport) }) { return answer }
        var headers = Self.headers(for: "application/x-ndjson", key)
        if isCompressed { headers.append((name: "Content-Encoding", value: "gzip")) }
        return await transport.perform(
            endpoint.post(
                request.body, to: path(to: target), headers: headers,
                maximumResponseBytes: ElasticsearchAnswer.maximumBytes))
    }

    private static func headers(for type: String, _ key: Secret?) -> [(name: String, value: String)] {
        var headers = [(name: "Content-Type", value: type), (name: "Accept", value: "application/json")]
        guard let key else { return headers }
        var encoded: [UInt8] = []
        // What has a colon is `id:key`: base64 has none.
        if key.reveal.contains(":") { Base64.append(key.reveal.utf8, to: &encoded) }
        let text = encoded.isEmpty ? key.reveal : String(decoding: encoded, as: UTF8.self)
        headers.append((name: "Authorization", value: "ApiKey \(text)"))
        return headers
    }

    /// A request about the cluster rather than about points.
    private func ask(
        _ method: HTTPRequest.Method, _ path: String, _ body: [UInt8], _ key: Secret?, over transport: HTTPTransport
    ) async -> Answer {
        var request = endpoint.post(
            body, to: endpoint.path(path), headers: Self.headers(for: "application/json", key),
            maximumResponseBytes: 1 << 20)
        request.method = method
        return await transport.perform(request)
    }

    /// The target stands in the path: clusters may forbid it in the body (`rest.action.multi.allow_explicit_index`).
    /// The filter keeps every item's status, and so its position.
    private func path(to target: String) -> String {
        let filter = "errors,items.*.status,items.*.failure_store,items.*.error.type,items.*.error.reason"
        let pipeline = pipeline.map { "&pipeline=\(PercentEncoding.encode($0))" } ?? ""
        return endpoint.path("\(PercentEncoding.encode(target))/_bulk?filter_path=\(filter)\(pipeline)")
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        HTTPOutcome.of(answer) { response, now in
            switch response.status {
            case 200...299:
                ElasticsearchAnswer.outcome(
                    of: response, to: request.items, failureStore, hasIDs: !ids.areNone)
            case 400 where Excerpt.holds(response.body, ["invalid_index_name_exception"]):
                .hold(reason: "HTTP 400\(HTTPOutcome.said(response))")
            default: HTTPOutcome.of(response, now: now)
            }
        }
    }
}

/// What an index or a data stream may be called.
/// <https://www.elastic.co/guide/en/elasticsearch/reference/current/indices-create-index.html#indices-create-api-path-params>
enum ElasticsearchName {
    /// - Returns: what is wrong with `name`, or nil.
    static func fault(in name: String) -> String? {
        if name.isEmpty { return "is empty" }
        if name == "." || name == ".." { return "is reserved" }
        if name.utf8.count > 255 { return "is longer than 255 bytes" }
        if "-_+.".contains(name[name.startIndex]) { return "must not begin with -, _, + or ." }
        if name != name.lowercased() { return "must be in lower case" }
        guard name.utf8.allSatisfy({ $0 > 32 && $0 != 127 && !"\\/*?\"<>|,#:".utf8.contains($0) }) else {
            return "must hold no blank and none of \\ / * ? \" < > | , # :"
        }
        return nil
    }
}
