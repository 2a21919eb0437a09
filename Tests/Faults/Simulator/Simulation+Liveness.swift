import WALStore

/// The second half of a run: faults stop, and everything drains.
extension Simulation {
    func drain() {
        say("faults stop")
        mend()
        for server in network.servers { server.mood = .well }
        if let node, node.life.isDead { self.node = nil }
        for _ in 0..<5 where node == nil { start() }
        guard node != nil else { return scheduler.fail("the node does not start although nothing is wrong any more") }
        // What was removed is not owed to anybody who asks; it comes back so that it can drain too.
        for _ in 0..<plan.removedTenants.count { returnForGood() }
        configure()
        var left = ""
        for _ in 0..<48 where scheduler.fault == nil {
            // A point that is refused for ever is told from an outage by others that are taken.
            for tenant in plan.tenants { append(to: tenant, isPlain: true) }
            pump(600_000_000_000)
            left = pending()
            if left.isEmpty { break }
        }
        guard scheduler.fault == nil else { return }
        guard left.isEmpty else { return scheduler.fail("after eight hours without a fault there is left: \(left)") }
        audit()
        stop()
    }

    private func returnForGood() {
        var tenant = plan.removedTenants.removeLast()
        tenant.backends.removeAll { plan.backend($0) == nil }
        plan.tenants.append(tenant)
    }

    /// What attached backends are still owed; empty when nothing.
    private func pending() -> String {
        let names = plan.tenants.map(\.name)
        let statuses = perform("statuses") { node in await node.store.statuses() } ?? []
        var left: [String] = []
        for status in statuses where names.contains(status.tenant) {
            for backend in status.backends where !backend.isDetached && backend.pendingPoints > 0 {
                left.append("\(status.tenant)/\(backend.name) \(backend.pendingPoints)")
            }
        }
        return left.joined(separator: ", ")
    }
}
