import Forwarder
import Metrics

/// One thing that is to be in Grafana: what it is called, and what is to be in it.
struct GrafanaObject: Sendable {
    enum Kind: String, Sendable {
        case folder
        case dataSource = "data source"
        case dashboard
        case rule = "alert rule"
    }

    var kind: Kind
    var tenant: String
    var uid: String
    /// For people; where Grafana wants titles to differ, a thing of somebody else may have it.
    var title: String
    /// What is to be in it, in the form in which `GrafanaStored` has what is.
    var wanted: JSONValue
    /// Of a data source: Grafana takes them, and never shows them.
    var secrets: [(name: String, value: Secret)] = []

    /// How a thing says that it is ours: a tag of a dashboard, a label of a rule, a member of a data source. A folder has no room
    /// for it but in its uid.
    static let mark = "holdfast"

    /// For messages: `the folder hf-folder-acme`.
    var words: String { "the \(kind.rawValue) \(uid)" }
}

/// What Grafana has under the uid of one of our things.
struct GrafanaStored: Sendable {
    /// The parts that are compared.
    var document: JSONValue
    /// As it was answered.
    var whole: JSONValue
    /// Of a write that is to fail when somebody else has written meanwhile.
    var version: Int64?
    /// Carries the mark.
    var isOurs: Bool
    /// Why it cannot be written, whoever's it is.
    var lock: String?

    init(_ kind: GrafanaObject.Kind, _ answer: JSONValue) {
        whole = answer
        document = answer
        version = answer["version"]?.int
        switch kind {
        case .folder: isOurs = true
        case .dataSource:
            isOurs = answer["jsonData"]?["managedBy"]?.string == GrafanaObject.mark
            if answer["readOnly"]?.bool == true { lock = "it is provisioned from a file" }
        case .dashboard:
            let dashboard = answer["dashboard"] ?? .null
            version = dashboard["version"]?.int
            document = .map(["dashboard": dashboard, "folderUid": answer["meta"]?["folderUid"]])
            isOurs = dashboard["tags"]?.array?.contains(.string(GrafanaObject.mark)) ?? false
            if answer["meta"]?["provisioned"]?.bool == true { lock = "it is provisioned from a file" }
        case .rule:
            isOurs = answer["labels"]?["managed_by"]?.string == GrafanaObject.mark
            // <https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/>
            if answer["provenance"]?.string == "file" { lock = "it is provisioned from a file" }
        }
    }

    /// Which secrets a data source has.
    func hasSecret(_ name: String) -> Bool { whole["secureJsonFields"]?[name]?.bool ?? false }
}
