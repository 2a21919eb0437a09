import Metrics

/// <https://grafana.com/docs/grafana/latest/developers/http_api/data_source/>
extension GrafanaServer {
    private static let known: Set<String> = [
        "uid", "name", "type", "url", "access", "basicAuth", "basicAuthUser", "isDefault", "jsonData", "secureJsonData",
        "version", "user", "database", "withCredentials",
    ]

    static func sources(
        _ request: HTTPTestServer.Request, _ parts: [String], _ body: JSONValue, _ state: inout State
    ) throws(Refusal) -> (Int, JSONValue) {
        if request.method == "POST", parts.isEmpty {
            let (uid, name) = try identity(body)
            guard state.sources[uid] == nil, !isTaken(name, besides: uid, state) else {
                throw Refusal(409, "data source with the same name already exists", isExpected: true)
            }
            return (200, store(uid, name, body, 1, &state))
        }
        guard parts.count == 2, parts[0] == "uid" else { throw Refusal(404, "a data source is named by its uid") }
        guard let stored = state.sources[parts[1]] else {
            throw Refusal(404, "Data source not found", isExpected: request.method == "GET")
        }
        let isReadOnly = state.behaviour.provisioned.contains(parts[1])
        switch request.method {
        case "GET":
            let secrets = (state.secrets[parts[1]] ?? [:]).keys.sorted().map { JSONValue.Member($0, .bool(true)) }
            return (200, stored.with("readOnly", .bool(isReadOnly)).with("secureJsonFields", .object(secrets)))
        case "PUT":
            guard !isReadOnly else { throw Refusal(403, "Cannot update read-only data source") }
            let (uid, name) = try identity(body)
            guard uid == parts[1] else { throw Refusal(400, "the uid of another") }
            guard !isTaken(name, besides: uid, state) else {
                throw Refusal(409, "data source with the same name already exists", isExpected: true)
            }
            let version = stored["version"]?.int ?? 0
            guard let given = body["version"]?.int else { throw Refusal(409, "which version is it that is changed?") }
            guard given == version else {
                throw Refusal(409, "Datasource has already been updated by someone else", isExpected: true)
            }
            return (200, store(uid, name, body, version + 1, &state))
        case "DELETE":
            guard !isReadOnly else { throw Refusal(403, "Cannot delete read-only data source") }
            state.sources[parts[1]] = nil
            state.secrets[parts[1]] = nil
            return (200, .map(["message": "Data source deleted"]))
        default: throw Refusal(404, "Not found")
        }
    }

    private static func identity(_ body: JSONValue) throws(Refusal) -> (uid: String, name: String) {
        try checkNumber(body)
        try check(body, has: known, "a data source")
        try check(uid: body["uid"]?.string)
        guard let uid = body["uid"]?.string, let name = body["name"]?.string, !name.isEmpty, name.count <= 190 else {
            throw Refusal(400, "a name of up to 190 characters")
        }
        guard body["type"]?.string?.isEmpty == false, ["proxy", "direct"].contains(body["access"]?.string) else {
            throw Refusal(400, "bad request data")
        }
        guard let url = body["url"]?.string, url.hasPrefix("http") else { throw Refusal(400, "validation error: url") }
        return (uid, name)
    }

    /// Names are one organisation's, whatever the type.
    private static func isTaken(_ name: String, besides uid: String, _ state: State) -> Bool {
        state.sources.contains { $0.key != uid && $0.value["name"]?.string == name }
    }

    /// What is not in the body is gone; secrets that are not in it stay.
    private static func store(
        _ uid: String, _ name: String, _ body: JSONValue, _ version: Int64, _ state: inout State
    ) -> JSONValue {
        for member in body["secureJsonData"]?.object ?? [] {
            state.secrets[uid, default: [:]][member.key] = member.value.string ?? ""
        }
        state.number += 1
        let kept = JSONValue.map([
            "id": .int(state.number), "orgId": 1, "user": "", "database": "", "withCredentials": .bool(false),
            "isDefault": .bool(false), "basicAuth": .bool(false), "basicAuthUser": "", "jsonData": .map([:]),
        ])
        var source = (body.object ?? []).reduce(kept) { $0.with($1.key, $1.value) }
        source = source.without("secureJsonData").with("version", .int(version))
        state.sources[uid] = source
        return .map(["datasource": source, "id": source["id"], "name": .string(name), "message": "Datasource added"])
    }
}
