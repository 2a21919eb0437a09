import Forwarder
import Metrics

/// Makes Grafana as it is to be, a thing at a time, or says what that would take.
///
/// Each is read first: what is as it should be is not written, since every save makes a version, and what does not carry our
/// mark is not touched.
struct GrafanaRun: Sendable {
    var client: GrafanaClient
    /// Nothing is written.
    var isDry = false
    /// Rules that may be changed in Grafana's own pages.
    var editable = false
    var renewsSecrets = false

    /// Somebody else may write between our reading and our writing; so often it is looked at again.
    private static let rounds = 3

    /// A data source of somebody else, by the option that names it.
    struct NamedSource: Sendable {
        var option: String
        var uid: String
    }

    /// Whether it is a Grafana that answers, and has what is named: to anything else nothing would be there, and all to be made.
    ///
    /// <https://grafana.com/docs/grafana/latest/developers/http_api/other/#health-api>
    func check(_ sources: [NamedSource]) async throws(GrafanaFailure) {
        let health = try await client.ask(.get, "/api/health")
        guard health.json?["database"]?.string != nil else {
            switch health.status {
            case 300..<400, 401, 403, 429, 500...: throw GrafanaFailure(health, to: "say how it is")
            default:
                throw GrafanaFailure(
                    .unreachable,
                    "what answers at --url is no Grafana: it knows no /api/health (\(health.status)); name Grafana's own "
                        + "address, with its sub-path")
            }
        }
        for source in sources {
            let answer = try await client.ask(.get, "/api/datasources/uid/\(source.uid)")
            // Who may write dashboards need not be allowed to see data sources.
            if answer.isSuccess || answer.status == 403 { continue }
            guard answer.status == 404 else { throw GrafanaFailure(answer, to: "read the data source \(source.uid)") }
            throw GrafanaFailure(
                .refused,
                "Grafana has no data source with the uid \"\(source.uid)\", which \(source.option) names: the uid is at the "
                    + "end of its settings' address")
        }
    }

    /// Everything of a tenant, in order; the first that fails ends it, as the others stand on it.
    ///
    /// - Throws: with `.unreachable` only, which is the end for all tenants; `results` has what was done before.
    func apply(
        _ tenant: GrafanaTenant, _ objects: [GrafanaObject], into results: inout [GrafanaResult]
    ) async throws(GrafanaFailure) {
        let first = results.count
        for object in objects {
            do throws(GrafanaFailure) { results.append(try await settle(object)) } catch {
                if error.code == .unreachable { throw error }
                return results.append(GrafanaResult(object, .failed, reason: error.message))
            }
        }
        // A new folder has no rules from before; one that is only planned cannot be asked for them.
        let isNew = results[first...].contains { $0.uid == tenant.folder && $0.action == .created }
        if !isNew { try await removeRules(tenant, besides: Set(objects.map(\.uid)), &results) }
    }

    /// All of ours in a tenant's folder, and then the folder, unless something else is in it.
    ///
    /// - Throws: with `.unreachable` only; `results` has what was done before.
    func destroy(
        _ tenant: GrafanaTenant, _ objects: [GrafanaObject], into results: inout [GrafanaResult]
    ) async throws(GrafanaFailure) {
        let first = results.count
        for object in objects.reversed() where object.kind != .folder { results.append(try await remove(object)) }
        for folder in objects where folder.kind == .folder {
            do throws(GrafanaFailure) {
                if try await read(folder) != nil {
                    try await removeRules(tenant, besides: Set(objects.map(\.uid)), &results)
                }
            } catch {
                // Why it cannot be read is said of the folder itself.
                if error.code == .unreachable { throw error }
            }
            let ours = Set(results[first...].filter { $0.action == .deleted }.map(\.uid))
            results.append(try await remove(folder, unlessItHoldsMoreThan: ours))
        }
    }

    // MARK: One thing

    private func settle(_ object: GrafanaObject) async throws(GrafanaFailure) -> GrafanaResult {
        var refusal: GrafanaAnswer?
        for _ in 0..<Self.rounds {
            guard let stored = try await read(object) else {
                if let refusal { throw inTheWay(of: object, refusal) }
                if isDry { return GrafanaResult(object, .created) }
                let answer = try await write(object, object.creation)
                if answer.isSuccess { return GrafanaResult(object, .created) }
                guard answer.isConflict else { throw GrafanaFailure(answer, to: "make \(object.words)") }
                refusal = answer
                continue
            }
            try check(object, stored)
            let differences = GrafanaDifference.between(stored.document, object.wanted)
            let secrets = object.secrets.filter { renewsSecrets || !stored.hasSecret($0.name) }.map(\.name)
            if differences.isEmpty, secrets.isEmpty {
                // Ours was made, and its answer lost.
                return GrafanaResult(object, refusal == nil ? .unchanged : .created)
            }
            let result = GrafanaResult(object, .changed, differences: differences, secrets: secrets)
            if isDry { return result }
            let answer = try await write(object, object.change(of: stored))
            if answer.isSuccess { return result }
            guard answer.isConflict, answer.status != 400 else {
                throw GrafanaFailure(answer, to: "change \(object.words)")
            }
            refusal = answer
        }
        throw GrafanaFailure(
            .contended,
            "\(object.words) was not taken (\(refusal?.status ?? 0)): \(refusal?.words ?? ""); somebody else changes it, or its "
                + "title is taken")
    }

    /// Ours could not be made, and is not there.
    private func inTheWay(of object: GrafanaObject, _ refusal: GrafanaAnswer) -> GrafanaFailure {
        // May also be said of what is wrong in itself.
        if refusal.status == 400 { return GrafanaFailure(refusal, to: "make \(object.words), \"\(object.title)\"") }
        return GrafanaFailure(
            .foreign,
            "something that is not ours is called \"\(object.title)\", or has its place (\(refusal.status)): \(refusal.words); "
                + "rename it, and apply again")
    }

    private func remove(
        _ object: GrafanaObject, unlessItHoldsMoreThan ours: Set<String> = []
    ) async throws(GrafanaFailure) -> GrafanaResult {
        do throws(GrafanaFailure) {
            guard let stored = try await read(object) else { return GrafanaResult(object, .absent) }
            try check(object, stored)
            if object.kind == .folder, let other = try await content(of: object, besides: ours) {
                return GrafanaResult(object, .kept, reason: "\(other) is in it, which is not ours")
            }
            if isDry { return GrafanaResult(object, .deleted) }
            let answer = try await client.ask(.delete, object.deletionPath, headers: headers(object))
            if answer.isSuccess || answer.status == 404 { return GrafanaResult(object, .deleted) }
            // Rules of others in our folder.
            if object.kind == .folder, answer.status == 400 {
                return GrafanaResult(object, .kept, reason: answer.words)
            }
            throw GrafanaFailure(answer, to: "delete \(object.words)")
        } catch {
            switch error.code {
            case .unreachable: throw error
            case .foreign: return GrafanaResult(object, .kept, reason: error.message)
            case .denied, .contended, .refused: return GrafanaResult(object, .failed, reason: error.message)
            }
        }
    }

    private func check(_ object: GrafanaObject, _ stored: GrafanaStored) throws(GrafanaFailure) {
        guard stored.isOurs else {
            throw GrafanaFailure(
                .foreign, "\(object.words) is there and does not say that it is Holdfast's: it is left as it is")
        }
        if let lock = stored.lock { throw GrafanaFailure(.foreign, "\(object.words) cannot be written: \(lock)") }
        if object.kind == .rule, editable, stored.whole["provenance"]?.string == "api" {
            throw GrafanaFailure(
                .refused,
                "\(object.words) was made without --editable, and Grafana does not let that be undone: destroy and apply"
            )
        }
    }

    /// - Returns: nil: there is none.
    private func read(_ object: GrafanaObject) async throws(GrafanaFailure) -> GrafanaStored? {
        let answer = try await client.ask(.get, object.path)
        if answer.status == 404 { return nil }
        guard answer.isSuccess, let json = answer.json else {
            throw GrafanaFailure(answer, to: "read \(object.words)")
        }
        return GrafanaStored(object.kind, json)
    }

    private func write(
        _ object: GrafanaObject, _ write: GrafanaObject.Write
    ) async throws(GrafanaFailure) -> GrafanaAnswer {
        try await client.ask(write.method, write.path, write.body, headers: headers(object))
    }

    /// Without it, Grafana's pages show a rule and do not let it be edited.
    private func headers(_ object: GrafanaObject) -> [(name: String, value: String)] {
        object.kind == .rule && editable ? [("X-Disable-Provenance", "true")] : []
    }

    // MARK: What is around ours

    /// Takes rules of ours away that are no longer wanted: an earlier version of Holdfast may have made them.
    private func removeRules(
        _ tenant: GrafanaTenant, besides wanted: Set<String>, _ results: inout [GrafanaResult]
    ) async throws(GrafanaFailure) {
        let path = "/api/v1/provisioning/folder/\(tenant.folder)/rule-groups/\(tenant.ruleGroup)"
        let answer = try await client.ask(.get, path)
        if answer.status == 404 { return }
        guard answer.isSuccess, let rules = answer.json?["rules"]?.array else {
            let failure = GrafanaFailure(answer, to: "read the rule group \(tenant.ruleGroup)")
            if failure.code == .unreachable { throw failure }
            return results.append(GrafanaResult(tenant, group: failure.message))
        }
        for rule in rules {
            guard let uid = rule["uid"]?.string, uid.hasPrefix(GrafanaUID.prefix), GrafanaUID.isPlain(uid),
                !wanted.contains(uid), rule["labels"]?["managed_by"]?.string == GrafanaObject.mark,
                rule["labels"]?["tenant"]?.string == tenant.tenant
            else { continue }
            let title = rule["title"]?.string ?? uid
            let retired = GrafanaObject(kind: .rule, tenant: tenant.tenant, uid: uid, title: title, wanted: .null)
            results.append(try await remove(retired))
        }
    }

    /// - Returns: what is in a folder that is not one of `ours`, in words; Grafana takes that with it.
    private func content(
        of folder: GrafanaObject, besides ours: Set<String>
    ) async throws(GrafanaFailure) -> String? {
        let answer = try await client.ask(.get, "/api/search?folderUIDs=\(folder.uid)&limit=\(ours.count + 1)")
        guard answer.isSuccess, let found = answer.json?.array else {
            throw GrafanaFailure(answer, to: "look into \(folder.words)")
        }
        if let other = found.first(where: { !ours.contains($0["uid"]?.string ?? "") }) {
            return "\"\(other["title"]?.string ?? "")\""
        }
        // Folders in it and panels of its library are not always found. Versions that cannot count have neither.
        let counts = try await client.ask(.get, folder.path + "/counts")
        if counts.status == 404 { return nil }
        guard counts.isSuccess else { throw GrafanaFailure(counts, to: "count what is in \(folder.words)") }
        let others = counts.json?.object?.first { member in
            let kind = member.key.lowercased()
            return !kind.contains("dashboard") && !kind.contains("alert") && member.value.int ?? 0 > 0
        }
        return others.map { "\($0.value.int ?? 0) \($0.key)" }
    }
}
