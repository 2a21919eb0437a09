import Foundation
import WALStore

/// Knows what was acknowledged and what arrived, and holds every spool to it.
final class SimulationOracle {
    private let network: SimulatedNetwork
    private let counts: SimulationCounts
    private var models: [String: SpoolModel] = [:]
    private(set) var requests: [SimulatedRequest] = []
    private var byID: [String: SimulatedRequest] = [:]
    /// By a backend's every name: the servers its points may have gone to.
    private var servers: [String: Set<Int>] = [:]
    /// By a backend's every name: those before it that the config told of.
    private var formers: [String: Set<String>] = [:]
    /// The disk failed since the last audit: a spool may have been set aside.
    var mayBeSetAside: Set<String> = []
    /// Tenants whose rows may be pruned before an audit sees them.
    var isInexact: Set<String> = []

    init(network: SimulatedNetwork, counts: SimulationCounts) {
        self.network = network
        self.counts = counts
    }

    func add(_ request: SimulatedRequest) {
        requests.append(request)
        byID[request.id] = request
    }

    func noteRoute(backend: String, server: Int, formerName: String?) {
        let inherited = formerName.flatMap { servers[$0] } ?? []
        servers[backend, default: []].formUnion(inherited.union([server]))
        guard let formerName else { return }
        formers[backend, default: []].formUnion((formers[formerName] ?? []).union([formerName]))
    }

    func lastSequence(of tenant: String) -> Int64 { models[tenant]?.lastSequence ?? 0 }

    // MARK: Checking

    func check(_ audit: SpoolAudit) throws(SpoolModel.Broken) {
        let tenant = audit.tenant
        let model = try model(for: audit)
        if isInexact.contains(tenant) { model.isExact = false }
        for request in requests where request.tenant == tenant && !request.isFoundWhole {
            if case .acknowledged(let receipt) = request.answer { model.acknowledge(receipt, request.numbers) }
        }
        try model.add(audit)
        try checkRequests(audit, model)
        for backend in audit.backends {
            let heirs = audit.backends.filter { heir in
                !backend.isAttached && formers[heir.name]?.contains(backend.name) == true
            }
            for position in try model.take(backend, heirs: heirs, audit) { try check(position, backend, model, tenant) }
        }
        try checkChain(audit)
        for loss in audit.losses { counts.note("loss.\(loss.kind)") }
        counts.add("audit")
    }

    /// Nobody touches the files, so a chain has nothing to find; but of a file that took the place of another it must say so.
    private func checkChain(_ audit: SpoolAudit) throws(SpoolModel.Broken) {
        guard var findings = audit.chainFindings else { return }
        if audit.hasSetAside {
            guard let gap = findings.firstIndex(where: { $0.kind == .gap && $0.table == "links" }) else {
                throw SpoolModel.Broken(description: "the chain says nothing of the file that was set aside")
            }
            findings.remove(at: gap)
            counts.add("chain.salvaged")
        }
        if let finding = findings.first { throw SpoolModel.Broken(description: "the chain does not hold: \(finding)") }
    }

    private func model(for audit: SpoolAudit) throws(SpoolModel.Broken) -> SpoolModel {
        if let model = models[audit.tenant] {
            if model.incarnation == audit.incarnation { return model }
            guard audit.hasSetAside, mayBeSetAside.remove(audit.tenant) != nil else {
                throw SpoolModel.Broken(description: "\(audit.tenant): another file, and nothing had failed")
            }
            counts.add("spool.set_aside")
            for request in requests where request.tenant == audit.tenant { request.isFoundWhole = true }
        }
        // The books of a file that was salvaged come along, the rows that explain them need not.
        let isExact = !isInexact.contains(audit.tenant) && !audit.hasSetAside
        let model = SpoolModel(incarnation: audit.incarnation, isExact: isExact)
        models[audit.tenant] = model
        return model
    }

    private func checkRequests(_ audit: SpoolAudit, _ model: SpoolModel) throws(SpoolModel.Broken) {
        // What the spool says of requests: whole or not at all.
        var found: [String: Int] = [:]
        for receipt in audit.receipts {
            guard let request = byID[receipt.request] else {
                throw SpoolModel.Broken(description: "\(audit.tenant): a receipt of nobody's, \(receipt.request)")
            }
            guard receipt.points > 0 else { continue }
            let first = request.numbers.lowerBound + found[receipt.request, default: 0]
            guard let row = model.row(receipt.sequence) else { continue }
            let numbers = row.numbers.dropFirst(receipt.firstOrdinal).prefix(receipt.points)
            guard Array(numbers) == Array(first..<first + receipt.points) else {
                throw SpoolModel.Broken(description: "\(request.id) is stored as \(numbers), not from \(first) on")
            }
            found[receipt.request, default: 0] += receipt.points
        }
        for (id, points) in found.sorted(by: { $0.key < $1.key }) {
            guard let request = byID[id] else { continue }
            guard points == request.numbers.count || audit.hasSetAside else {
                throw SpoolModel.Broken(description: "\(id): \(points) of \(request.numbers.count) points are stored")
            }
            if case .acknowledged = request.answer {} else { counts.add("request.stored_unanswered") }
            request.isFoundWhole = true
        }
        try checkAcknowledged(audit, model)
    }

    private func checkAcknowledged(_ audit: SpoolAudit, _ model: SpoolModel) throws(SpoolModel.Broken) {
        var (dropped, unanswered): (Int64, Int64) = (0, 0)
        for request in requests where request.tenant == audit.tenant {
            guard case .acknowledged(let receipt) = request.answer else {
                unanswered += Int64(request.numbers.count)
                continue
            }
            dropped += Int64(receipt.droppedPoints)
            if request.isFoundWhole || receipt.storedPoints == 0 { continue }
            var first = request.numbers.lowerBound
            for range in receipt.places {
                guard range.start.sequence < audit.nextSequence else {
                    throw SpoolModel.Broken(
                        description: "\(request.id) was acknowledged at \(range) and the spool ends before it")
                }
                let count = Int(range.end.ordinal - range.start.ordinal)
                if let row = model.row(range.start.sequence) {
                    let numbers = Array(row.numbers.dropFirst(Int(range.start.ordinal)).prefix(count))
                    guard numbers == Array(first..<first + count) else {
                        throw SpoolModel.Broken(
                            description: "\(request.id) was acknowledged at \(range), where \(numbers) are")
                    }
                } else if model.isExact {
                    throw SpoolModel.Broken(
                        description: "\(request.id) was acknowledged at \(range) and is not there")
                }
                first += count
            }
            request.isFoundWhole = true
        }
        guard audit.droppedInLosses == audit.droppedPoints else {
            throw SpoolModel.Broken(
                description: "\(audit.droppedPoints) points dropped, \(audit.droppedInLosses) in loss rows")
        }
        // A spool that was set aside took its counts along.
        guard audit.hasSetAside || (audit.droppedPoints >= dropped && audit.droppedPoints <= dropped + unanswered)
        else {
            throw SpoolModel.Broken(
                description: "\(audit.droppedPoints) points dropped, \(dropped) said so to their senders")
        }
    }

    /// The end of one point, held against its nature and what the servers have.
    private func check(
        _ position: Int, _ backend: SpoolAudit.Backend, _ model: SpoolModel, _ tenant: String
    ) throws(SpoolModel.Broken) {
        guard let fate = model.fates[backend.id]?[position] else { return }
        let number = model.numbers[position]
        counts.add("point.\(fate)")
        guard number >= 0 else { return }
        let isThere = (servers[backend.name] ?? []).contains { server in
            network.servers[server].has(SimulatedPoint.bits(number), of: tenant)
        }
        let nature = SimulatedPoint.nature(number)
        switch fate {
        case .confirmed, .assumed:
            guard isThere else {
                throw SpoolModel.Broken(
                    description: "\(tenant), \(backend.name): number \(number) is \(fate), and the backend lacks it")
            }
        case .excluded:
            guard nature == .unrepresentable else {
                throw SpoolModel.Broken(description: "\(backend.name): number \(number) is excluded, and \(nature)")
            }
        case .dead:
            counts.add("dead.\(nature)\(isThere ? "_and_there" : "")")
            // What goes ahead of a backlog costs nothing where points are taken in any order.
            guard nature != .plain || !network.takesOldPoints else {
                throw SpoolModel.Broken(
                    description: "\(tenant), \(backend.name): number \(number) is dead, and nothing is wrong with it")
            }
        default: break
        }
    }
}
