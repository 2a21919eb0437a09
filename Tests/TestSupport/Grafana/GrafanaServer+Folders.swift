import Metrics

/// <https://grafana.com/docs/grafana/latest/developers/http_api/folder/>
extension GrafanaServer {
    static func folders(
        _ request: HTTPTestServer.Request, _ parts: [String], _ body: JSONValue, _ state: inout State
    ) throws(Refusal) -> (Int, JSONValue) {
        switch (request.method, parts.count) {
        case ("POST", 0):
            try check(body, has: ["uid", "title", "parentUid", "description"], "a folder")
            try check(uid: body["uid"]?.string)
            guard let uid = body["uid"]?.string, let title = body["title"]?.string, !title.isEmpty else {
                throw Refusal(400, "folder title cannot be empty")
            }
            let isTaken = state.folders.values.contains { $0["title"]?.string == title }
            guard state.folders[uid] == nil, !state.behaviour.hidden.contains(uid), !(isTaken && state.behaviour.isOld)
            else {
                throw Refusal(
                    state.behaviour.isOld ? 412 : 409, "a folder with the same name already exists", isExpected: true)
            }
            return (200, store(uid, title, 1, &state))
        case ("GET", 1):
            guard let folder = state.folders[parts[0]] else { throw Refusal(404, "folder not found", isExpected: true) }
            return (200, folder)
        case ("GET", 2) where parts[1] == "counts" && !state.behaviour.isOld:
            let inside: (String, [String: JSONValue]) -> JSONValue = { key, all in
                .int(Int64(all.values.count { $0[key]?.string == parts[0] }))
            }
            return (
                200,
                .map([
                    "folder": inside("parentUid", state.folders), "dashboard": inside("folderUid", state.dashboards),
                    "alertrule": inside("folderUID", state.rules), "librarypanel": 0,
                ])
            )
        case ("GET", 2) where parts[1] == "counts": throw Refusal(404, "Not found", isExpected: true)
        case ("PUT", 1):
            try check(body, has: ["title", "version", "overwrite", "description"], "a folder")
            guard let folder = state.folders[parts[0]] else { throw Refusal(404, "folder not found") }
            let version = folder["version"]?.int ?? 0
            guard body["version"]?.int == version || body["overwrite"]?.bool == true else {
                throw Refusal(
                    412, "the folder has been changed by someone else", reason: "version-mismatch",
                    isExpected: body["version"] != nil)
            }
            return (200, store(parts[0], body["title"]?.string ?? "", version + 1, &state))
        case ("DELETE", 1):
            guard state.folders[parts[0]] != nil else { throw Refusal(404, "folder not found") }
            let rules = state.rules.filter { $0.value["folderUID"]?.string == parts[0] }
            if !rules.isEmpty, request.query["forceDeleteRules"] != "true" {
                throw Refusal(400, "folder cannot be deleted: folder contains alert rules", isExpected: true)
            }
            for uid in rules.keys { state.rules[uid] = nil }
            // All that is in it goes with it, whoever's it is.
            state.dashboards = state.dashboards.filter { $0.value["folderUid"]?.string != parts[0] }
            state.folders = state.folders.filter { $0.value["parentUid"]?.string != parts[0] }
            state.folders[parts[0]] = nil
            return (200, .map(["message": "Folder deleted"]))
        default: throw Refusal(404, "Not found")
        }
    }

    private static func store(_ uid: String, _ title: String, _ version: Int64, _ state: inout State) -> JSONValue {
        state.number += 1
        let folder = JSONValue.map([
            "id": .int(state.number), "uid": .string(uid), "title": .string(title),
            "url": .string("/dashboards/f/\(uid)"), "hasAcl": .bool(false), "canSave": .bool(true),
            "version": .int(version), "updated": "2026-01-31T17:43:12+01:00",
        ])
        state.folders[uid] = folder
        return folder
    }

    /// <https://grafana.com/docs/grafana/latest/developers/http_api/folder_dashboard_search/>
    static func search(_ request: HTTPTestServer.Request, _ state: State) throws(Refusal) -> (Int, JSONValue) {
        guard request.method == "GET", let folder = request.query["folderUIDs"] else { throw Refusal(400, "search") }
        let limit = request.query["limit"].flatMap { Int($0) } ?? 1000
        let found = state.dashboards.filter { $0.value["folderUid"]?.string == folder }.sorted { $0.key < $1.key }
        let rows = found.prefix(limit).map { uid, dashboard in
            JSONValue.map([
                "uid": .string(uid), "title": dashboard["dashboard"]?["title"], "type": "dash-db",
                "folderUid": .string(folder),
            ])
        }
        return (200, .array(rows))
    }
}
