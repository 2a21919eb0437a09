import Forwarder

/// What the rules look at: the node at one moment, as `status` shows it.
struct AlertLook: Sendable {
    var report: StatusReport
    /// Tenant and backend of lanes whose requests fail in a row, with what the last one said.
    var failing: [Lane: String]
    /// Why the data folder itself cannot be worked in; nil: it can.
    var folderFault: String?
    /// Why the last reload was refused; nil when it was not.
    var configRefusal: String?

    struct Lane: Hashable, Sendable {
        var tenant: String
        var backend: String
    }
}

extension AlertLook {
    init(_ report: StatusReport, lanes: [LaneStatus], folderFault: String?, configRefusal: String?) {
        let failing = lanes.filter(\.isFailing).map { (Lane(tenant: $0.tenant, backend: $0.backend), $0.lastError) }
        self.init(
            report: report, failing: Dictionary(failing) { first, _ in first }, folderFault: folderFault,
            configRefusal: configRefusal)
    }
}
