import Forwarder
import Glibc
import WALStore

/// How many files the process may have open, and what the config could need.
///
/// A process that runs out of them does not only refuse connections: spools do not open, and libdispatch aborts when it
/// cannot read its threads' states (`_dispatch_workq_monitor_pools`). So they never run out: the limit is raised to what
/// the system allows, and what still does not fit is taken off the config.
enum FileLimit {
    /// The sources of a spool: database, log, index; and the reader's database and log.
    static let ofSpool = 5
    /// The log, the data folder's own files, libraries, threads' pipes, and files opened for a moment.
    private static let ofNode = 128

    /// Raises the soft limit to the hard one, and returns it.
    static func raiseLimit() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            // Unlimited is more than the kernel gives: fs.nr_open, 2^20 unless changed.
            raised.rlim_cur = min(limit.rlim_max, 1 << 20)
            if raised.rlim_cur > limit.rlim_cur, setrlimit(resource, &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// What the config could need at most.
    static func needed(by configuration: Configuration) -> Int {
        let connections = configuration.server.limits.connections
        return ofNode + (configuration.alertmanager?.settings.urls.count ?? 0) + outgoing(of: configuration)
            + connections + Crowd.reserve(of: connections)
            + configuration.node.openSpools * ofSpool
    }

    /// Connections to backends.
    private static func outgoing(of configuration: Configuration) -> Int {
        configuration.backends.count * DeliveryRoute.defaultMaximumInFlight
    }

    /// What all backends together may have, where not everything fits; nil: no more than the config asks for.
    static func outgoing(of configuration: Configuration, within limit: Int) -> Int? {
        needed(by: configuration) > limit ? max(4, min(outgoing(of: configuration), limit / 8)) : nil
    }

    /// Takes off `node.open_spools` and `server.limits.connections` what does not fit into `limit`, and warns of it.
    static func fit(_ configuration: inout Configuration, to limit: Int) {
        guard let outgoing = outgoing(of: configuration, within: limit) else { return }
        let wanted = (spools: configuration.node.openSpools, connections: configuration.server.limits.connections)
        let rest = limit - min(ofNode, max(48, limit / 4)) - outgoing
        let spools = min(wanted.spools, max(1, rest / 2 / ofSpool))
        let places = max(1, rest - spools * ofSpool)
        var connections = min(wanted.connections, places)
        while connections > 1, connections + Crowd.reserve(of: connections) > places { connections -= 1 }
        configuration.node.openSpools = spools
        configuration.server.limits.connections = connections
        configuration.warnings.append(
            "only \(limit) files may be open (LimitNOFILE= in systemd, ulimit -n): node.open_spools is \(spools) instead "
                + "of \(wanted.spools), server.limits.connections \(connections) instead of \(wanted.connections)")
    }
}
