import Metrics

/// <https://grafana.com/docs/grafana/latest/developers/http_api/dashboard/>
extension GrafanaServer {
    static func dashboards(
        _ request: HTTPTestServer.Request, _ parts: [String], _ body: JSONValue, _ state: inout State
    ) throws(Refusal) -> (Int, JSONValue) {
        switch (request.method, parts) {
        case ("POST", ["db"]): return (200, try save(body, &state))
        case ("GET", _) where parts.count == 2 && parts[0] == "uid":
            guard let stored = state.dashboards[parts[1]] else {
                throw Refusal(404, "Dashboard not found", isExpected: true)
            }
            let meta = JSONValue.map([
                "folderUid": stored["folderUid"], "version": stored["dashboard"]?["version"],
                "provisioned": .bool(state.behaviour.provisioned.contains(parts[1])),
            ])
            return (200, .map(["dashboard": stored["dashboard"], "meta": meta]))
        case ("DELETE", _) where parts.count == 2 && parts[0] == "uid":
            guard state.dashboards.removeValue(forKey: parts[1]) != nil else {
                throw Refusal(404, "Dashboard not found")
            }
            return (200, .map(["message": "Dashboard deleted"]))
        default: throw Refusal(404, "Not found")
        }
    }

    private static func save(_ body: JSONValue, _ state: inout State) throws(Refusal) -> JSONValue {
        try check(body, has: ["dashboard", "folderUid", "message", "overwrite"], "a save")
        guard let dashboard = body["dashboard"], dashboard.object != nil else { throw Refusal(400, "no dashboard") }
        try checkNumber(dashboard)
        try check(uid: dashboard["uid"]?.string)
        guard let uid = dashboard["uid"]?.string, let title = dashboard["title"]?.string, !title.isEmpty else {
            throw Refusal(400, "Dashboard title cannot be empty", reason: "empty-name")
        }
        guard !state.behaviour.provisioned.contains(uid) else {
            throw Refusal(400, "Cannot save provisioned dashboard")
        }
        // Without one it goes to the root: taken, and never meant.
        let folder = body["folderUid"]?.string ?? ""
        if folder.isEmpty { state.faults.append("\(uid) was moved to the root") }
        guard let named = state.folders[folder] else { throw Refusal(404, "folder not found") }
        guard named["title"]?.string != title else {
            throw Refusal(400, "Dashboard name cannot be the same as folder", reason: "name-match")
        }
        let overwrites = body["overwrite"]?.bool ?? false
        if overwrites { state.faults.append("\(uid) was written over whatever was there") }
        let stored = state.dashboards[uid]?["dashboard"]
        if let stored, stored["version"]?.int != dashboard["version"]?.int, !overwrites {
            throw Refusal(
                412, "The dashboard has been changed by someone else", reason: "version-mismatch", isExpected: true)
        }
        let isTaken = state.dashboards.contains { other, value in
            other != uid && value["folderUid"]?.string == folder && value["dashboard"]?["title"]?.string == title
        }
        if isTaken, !overwrites {
            throw Refusal(
                412, "A dashboard with the same name in the folder already exists", reason: "name-exists",
                isExpected: true)
        }
        // Every save is a version, whether or not it says something new.
        state.number += 1
        let version = (stored?["version"]?.int ?? 0) + 1
        var kept = dashboard.with("id", .int(state.number)).with("version", .int(version))
        if let raised = state.behaviour.schemaVersion { kept = kept.with("schemaVersion", .int(raised)) }
        state.dashboards[uid] = .map(["dashboard": kept, "folderUid": .string(folder)])
        return .map([
            "id": .int(state.number), "uid": .string(uid), "status": "success", "version": .int(version),
            "slug": "a-slug", "url": .string("/d/\(uid)/a-slug"),
        ])
    }
}
