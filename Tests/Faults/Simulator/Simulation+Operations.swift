import Metrics
import TestSupport

@testable import WALStore

/// What happens to the node from outside, as the seed says.
extension Simulation {
    func operate() {
        if let mendAt, step >= mendAt { mend() }
        if node == nil, roll(3) > 0 { start() }
        if isReloadDue, node != nil { configure() }
        switch roll(1000) {
        case 0..<430: for _ in 0...roll(3) { append() }
        case 430..<470: renameUntold()
        case 470..<600: changeMood()
        case 600..<630: changeTenant()
        case 630..<655: removeTenant()
        case 655..<685: returnTenant()
        case 685..<710: addBackend()
        case 710..<730: removeBackend()
        case 730..<760: returnBackend()
        case 760..<775: renameBackend(isTold: true)
        case 775..<790: moveBackend()
        case 790..<810: stepClock()
        case 810..<825: crash(.kill)
        case 825..<838: crash(.powerCut)
        case 838..<868: cutPowerSoon()
        case 868..<880: stop()
        case 880..<895: fillDisk()
        case 895..<915: failDisk()
        case 915..<930: waitLong()
        default:
            say("audit")
            audit()
        }
    }

    // MARK: Clients

    /// - Parameter isPlain: only points that every backend takes.
    func append(isPlain: Bool = false) {
        guard let tenant = pick(plan.tenants) else { return }
        append(to: tenant, isPlain: isPlain)
    }

    func append(to tenant: SimulationPlan.Tenant, isPlain: Bool = false) {
        var count = roll(16) == 0 ? tenant.points * 4 : 1 + roll(tenant.points)
        if isPlain {
            count = 2
            while (nextNumber..<nextNumber + count).contains(where: { SimulatedPoint.nature($0) != .plain }) {
                nextNumber += 1
            }
        }
        if roll(40) == 0, !isPlain { count = 0 }
        let request = SimulatedRequest(
            id: "request-\(oracle.requests.count)", tenant: tenant.name, numbers: nextNumber..<nextNumber + count)
        nextNumber += count
        oracle.add(request)
        counts.add("append.\(tenant.name)")
        guard let node else { return counts.add("append.refused") }
        let bulk = isPlain ? "" : noise.prefix(of: tenant.bulkBytes, turn: nextNumber)
        node.store.append(request.append(series: tenant.series, bulk: bulk), tenant: tenant.name) { [self] result in
            // An answer of a process that is dead by now goes nowhere.
            guard !disk.isOff, !node.life.isDead else { return }
            switch result {
            case .success(let receipt):
                request.answer = .acknowledged(receipt)
                counts.add(receipt.droppedPoints > 0 ? "append.dropped" : "append.acknowledged")
                scheduler.note(UInt64(receipt.storedPoints))
            case .failure(let error):
                request.answer = .failed(error.description)
                counts.add("append.failed_\(error.code)")
            }
            say("\(request.id) of \(request.tenant), \(request.numbers): \(request.answer)")
        }
    }

    // MARK: Backends

    private func changeMood() {
        guard let server = pick(network.servers) else { return }
        let moods = SimulatedServer.Mood.allCases
        server.mood = roll(3) == 0 ? .well : moods[roll(moods.count)]
        say("server \(server.number) \(server.mood)")
        if server.mood != .well { counts.add("mood.\(server.mood)") }
    }

    private func reload(_ what: String) {
        counts.add("reload.\(what)")
        say("reload: \(what)")
        configure()
    }

    private func addBackend() {
        guard plan.backends.count < 6 else { return }
        let type = SimulationPlan.types[roll(SimulationPlan.types.count)]
        var backend = SimulationPlan.Destination(
            name: plan.newName(), type: type, server: network.addServer(type: type).number)
        let backfills: [(BackendRegistration.Backfill, String)] = [
            (.none, "none"), (.all, "all"), (.seconds(1800), "seconds"),
        ]
        let (backfill, name) = backfills[roll(3)]
        backend.backfill = backfill
        plan.backends.append(backend)
        for index in plan.tenants.indices where roll(2) == 0 { plan.tenants[index].backends.append(backend.name) }
        reload("backend_added_\(name)")
    }

    private func removeBackend() {
        guard plan.backends.count > 2, let backend = pick(plan.backends) else { return }
        let users = plan.tenants.filter { $0.backends.contains(backend.name) }.map(\.name)
        plan.backends.removeAll { $0.name == backend.name }
        for index in plan.tenants.indices { plan.tenants[index].backends.removeAll { $0 == backend.name } }
        plan.removedBackends.append((backend, users))
        reload("backend_removed")
    }

    private func returnBackend() {
        guard !plan.removedBackends.isEmpty else { return }
        var (backend, users) = plan.removedBackends.remove(at: roll(plan.removedBackends.count))
        backend.backfill = [.none, .all, .seconds(600)][roll(3)]
        plan.backends.append(backend)
        for index in plan.tenants.indices where users.contains(plan.tenants[index].name) {
            plan.tenants[index].backends.append(backend.name)
        }
        reload("backend_returned")
    }

    /// - Parameter isTold: with `renamed_from`; else nothing sends what the former name is owed.
    private func renameBackend(isTold: Bool) {
        guard let index = plan.backends.indices.randomElement(using: &random) else { return }
        let (old, new) = (plan.backends[index].name, plan.newName())
        plan.backends[index].formerName = isTold ? old : nil
        if !isTold { plan.backends[index].untoldName = old }
        plan.backends[index].name = new
        for index in plan.tenants.indices {
            plan.tenants[index].backends = plan.tenants[index].backends.map { $0 == old ? new : $0 }
        }
        for index in plan.removedTenants.indices {
            plan.removedTenants[index].backends = plan.removedTenants[index].backends.map { $0 == old ? new : $0 }
        }
        reload(isTold ? "backend_renamed" : "backend_renamed_untold")
    }

    /// Renames a backend without a word; where that was done before, `renamed_from` is given now, when the spools have both
    /// names already.
    private func renameUntold() {
        guard let index = pick(plan.backends.indices.filter({ plan.backends[$0].untoldName != nil })) else {
            return renameBackend(isTold: false)
        }
        plan.backends[index].formerName = plan.backends[index].untoldName
        plan.backends[index].untoldName = nil
        reload("rename_told_late")
    }

    /// The same backend at another url, with nothing in it.
    private func moveBackend() {
        guard let index = plan.backends.indices.randomElement(using: &random) else { return }
        plan.backends[index].server = network.addServer(type: plan.backends[index].type).number
        reload("backend_moved")
    }

    // MARK: Tenants

    private func changeTenant() {
        guard let index = plan.tenants.indices.randomElement(using: &random) else { return }
        plan.tenants[index].lingerNanoseconds = [0, 0, 50_000_000, 1_000_000_000][roll(4)]
        if plan.tenants[index].name == "steady" { plan.tenants[index].deadLetterSeconds = [600, 2_592_000][roll(2)] }
        reload("tenant_changed")
    }

    private func removeTenant() {
        guard plan.tenants.count > 2 else { return }
        plan.removedTenants.append(plan.tenants.remove(at: roll(plan.tenants.count)))
        reload("tenant_removed")
    }

    private func returnTenant() {
        guard !plan.removedTenants.isEmpty else { return }
        var tenant = plan.removedTenants.remove(at: roll(plan.removedTenants.count))
        tenant.backends.removeAll { plan.backend($0) == nil }
        plan.tenants.append(tenant)
        reload("tenant_returned")
    }

    // MARK: Disk and time

    private func cutPowerSoon() {
        guard node != nil else { return }
        disk.cutPower(atCall: 1 + roll(80))
        counts.add("disk.cut_at_call")
        append()
    }

    private func fillDisk() {
        guard let node, mendAt == nil else { return }
        let space: DiskSpace
        do { space = try node.store.folder.files.disk.space(of: SimulatedNode.folder) } catch { return }
        disk.resize(bytes: space.totalBytes - space.freeBytes + Int64(roll(256 << 10)))
        mendAt = step + 1 + roll(8)
        noteShortOfSpace()
        counts.add("disk.full")
        say("the disk is full")
    }

    private func failDisk() {
        guard node != nil, mendAt == nil else { return }
        let kinds = DiskFault.Kind.allCases.filter { $0 != .shortRead }
        var kind = kinds[roll(kinds.count)]
        // Few calls read: every second one of these kinds, so that some seed meets one.
        if [.inputOutput, .full, .shortWrite].contains(kind), step % 2 == 0 { kind = .shortRead }
        // A read that fails once is tried again at once, and so it is many of them that are short.
        let count = (roll(4) == 0 ? 1 + roll(20) : 1) + (kind == .shortRead ? 20 : 0)
        disk.inject(DiskFault(kind, atCall: 1 + roll(40), count: count))
        oracle.mayBeSetAside = Set((plan.tenants + plan.removedTenants).map(\.name))
        mendAt = step + 1 + roll(4)
        if kind == .full || kind == .shortWrite { noteShortOfSpace() }
        counts.add("disk.\(kind)")
        say("the disk fails: \(kind)")
    }

    /// A spool that finds no space deletes what it keeps for replay and audit: rows may go that no audit saw.
    private func noteShortOfSpace() {
        oracle.isInexact.formUnion((plan.tenants + plan.removedTenants).map(\.name))
    }

    func mend() {
        mendAt = nil
        disk.inject(nil)
        disk.resize(bytes: Simulation.diskBytes)
        say("the disk is well")
    }

    private func waitLong() {
        counts.add("wait.long")
        say("a long wait")
        pump(milliseconds(600_000..<7_200_000))
    }
}
