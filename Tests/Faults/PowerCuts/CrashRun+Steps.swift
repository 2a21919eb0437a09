import Metrics
import TestSupport

@testable import WALStore

extension CrashRun {
    /// One piece of work. Errors count only while the disk is well.
    mutating func step() async throws {
        clock.advance(seconds: 1)
        do {
            try await anyStep()
        } catch let error as SpoolError {
            guard disk.isOff || toleratesErrors else { throw error }
        }
        if !disk.isOff { for tenant in present { await store.settleDown(tenant) } }
    }

    private mutating func anyStep() async throws {
        guard let tenant = present.sorted().randomElement(using: &random) else { return try await reconfigure() }
        switch random.below(100) {
        case 0..<40: try await append(tenant)
        case 40..<55:
            if let backend = models[tenant]?.owed.randomElement(using: &random) {
                _ = try await lease(tenant, backend, [1, 20, 300][random.below(3)])
                if !leases.isEmpty, random.below(2) == 0 || !canHoldLeases { try await settle(leases.count - 1) }
            }
        case 55..<72: if !leases.isEmpty { try await settle(random.below(leases.count)) }
        case 72..<76: try await release()
        case 76..<84: try await maintain()
        case 84..<98 where endsLetters && random.below(2) == 0:
            if random.below(2) == 0 { try await purge(tenant) } else { try await redrive(tenant) }
        case 84..<88: try await reconfigure()
        case 88..<91: try await reopen()
        case 91..<94: try await kill()
        default: try await check(tenant)
        }
        // What is still held keeps the only place.
        while !canHoldLeases, !leases.isEmpty { try await release() }
    }

    // MARK: Requests

    private static let sizes = [0, 1, 3, 17, 60, 250]

    /// Some requests that share a commit.
    ///
    /// - Parameter bulk: characters that hardly compress in each of them, in the name of its series.
    mutating func append(_ tenant: String, bulk: Int = 0) async throws {
        // Open before: those that wait for it would come one by one.
        try await store.withSpool(tenant) { _ throws(SpoolError) in }
        let count = random.below(4) + 1
        var requests: [(index: Int, request: AppendRequest)] = []
        for _ in 0..<count {
            var points = CrashRun.sizes[random.below(CrashRun.sizes.count)]
            if random.below(40) == 0 { points = 2500 }
            guard let index = models[tenant]?.newRequest(points), let request = models[tenant]?.requests[index] else {
                return
            }
            var labels = "m\(random.below(3))"
            while labels.utf8.count < bulk { labels += String(random.next(), radix: 16) }
            requests.append((index, NumberedPoints.request(request.values, labels: labels, id: request.id)))
        }
        note("append \(tenant) \(requests.map { $0.request.requestID })")
        let floor = models[tenant]?.highestSequence ?? 0
        let answers = await store.appendInOneCommit(requests.map(\.request), tenant: tenant)
        for ((index, _), answer) in zip(requests, answers) {
            switch answer {
            case .success(let receipt): try models[tenant]?.acknowledge(index, receipt, above: floor)
            case .failure(let error): guard disk.isOff || toleratesErrors else { throw error }
            }
        }
    }

    // MARK: Deliveries

    /// - Returns: whether there was something to lease; it is the last of `leases` then.
    mutating func lease(_ tenant: String, _ backend: String, _ points: Int) async throws -> Bool {
        var limit = LeaseLimit(points: points)
        if goesAhead {
            limit.freshFirst = FreshFirst(
                turn: random.below(3) == 0 ? .backlog : .fresh, freshSeconds: 3, keepsOrder: true)
        }
        let wanted = limit
        let found = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.lease(backend: backend, limit: wanted)
        }
        guard let lease = found else { return false }
        let starts = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            await spool.starts(of: lease)
        }
        guard let tenantModel = models[tenant], var model = tenantModel.backends[backend] else {
            throw Violation("\(backend) of \(tenant) is not ours and has a lease")
        }
        let numbers = try zip(starts, lease.pieces).map { try tenantModel.numbers(at: $0, $1.values) }
        note("lease \(tenant) \(backend) \(numbers.first?.first ?? -1)...\(numbers.last?.last ?? -1)")
        for (piece, numbers) in zip(lease.pieces, numbers) {
            for value in numbers {
                guard model.settled[value] == 0 else {
                    throw Violation("point \(value) of \(tenant) was settled for \(backend) and is leased again")
                }
                guard piece.maybeSent || !model.sentBeforeCrash[value] else {
                    throw Violation("point \(value) of \(tenant) may have been sent to \(backend), and nobody says so")
                }
                model.sent[value] = true
            }
            models[tenant]?.saw(piece.places.start.sequence)
        }
        models[tenant]?.backends[backend] = model
        if let first = numbers.joined().min(), model.settled[..<first].contains(0) { aheadLeases += 1 }
        leases.append(HeldLease(tenant: tenant, lease: lease, numbers: numbers, open: Set(numbers.joined())))
        return true
    }

    /// Settles some of a lease, or all of it with one fate.
    mutating func settle(_ index: Int, all fate: Fate? = nil) async throws {
        let held = leases[index]
        // Without a number from the generator: kept seeds are what they were.
        let route = fate == nil && held.lease.id.number % 3 == 0 ? TenantModel.route : nil
        var parts: [Settlement.Part] = []
        var fates: [(Int, Standing)] = []
        var released: [Int] = []
        for piece in held.lease.pieces.indices {
            var at = held.lease.pieces[piece].ordinals.lowerBound
            let end = held.lease.pieces[piece].ordinals.upperBound
            while at < end {
                let next = fate == nil ? min(end, at + random.below(30) + 1) : end
                let first = held.lease.pieces[piece].ordinals.lowerBound
                let values = held.numbers[piece][at - first..<next - first]
                if fate != nil || random.below(4) != 0, held.open.isSuperset(of: values) {
                    let chosen = fate ?? anyFate()
                    let isRouted = route != nil && (chosen == .delivered || chosen == .assumed)
                    let keptBack = isRouted ? values.count(where: TenantModel.isKeptBack) : 0
                    parts.append(.init(LeasedRun(piece: piece, ordinals: at..<next), chosen, excluded: keptBack))
                    for value in values {
                        leases[index].open.remove(value)
                        if let standing = chosen.standing {
                            fates.append((value, isRouted && TenantModel.isKeptBack(value) ? .excluded : standing))
                        } else {
                            released.append(value)
                        }
                    }
                }
                at = next
            }
        }
        let settlement = CrashRun.settlement(parts, fates, route, at: clock.nanoseconds)
        let backend = held.lease.backend
        note("settle \(held.tenant) \(backend) \(fates.count) points")
        for (value, standing) in fates {
            models[held.tenant]?.backends[backend]?.asked[value] |= standing.rawValue
        }
        do {
            try await store.withSpool(held.tenant) { (spool) async throws(SpoolError) in
                try await spool.settle(held.lease, settlement)
            }
        } catch {
            // Whatever it came to: the worker gives the rest back, and it may have arrived.
            leases.remove(at: index)
            try await store.withSpool(held.tenant) { (spool) async throws(SpoolError) in
                await spool.release(held.lease, maybeHaveArrived: true)
            }
            throw error
        }
        for (value, standing) in fates {
            models[held.tenant]?.backends[backend]?.settled[value] = standing.rawValue
            models[held.tenant]?.backends[backend]?.asked[value] = 0
        }
        models[held.tenant]?.backends[backend]?.didNotSend(released)
        if leases[index].open.isEmpty {
            leases.remove(at: index)
        } else if fate != nil {
            throw Violation("a lease is settled as a whole and something is left of it")
        }
    }

    private static func settlement(
        _ parts: [Settlement.Part], _ fates: [(Int, Standing)], _ route: StoredRoute?, at time: Int64
    ) -> Settlement {
        var settlement = Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: time)
        settlement.route = route
        for (value, standing) in fates where TenantModel.isCounted(value, standing) {
            settlement.counters[TenantModel.counter(of: value)] = CounterState(value: Double(value), time: 1)
        }
        return settlement
    }

    private mutating func anyFate() -> Fate {
        switch random.below(10) {
        case 0: .dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))
        case 4...6 where endsLetters: .dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))
        case 1: .assumed
        case 2: .excluded(reason: "kind")
        case 3: .released
        default: .delivered
        }
    }

    mutating func release() async throws {
        guard !leases.isEmpty else { return }
        let held = leases.remove(at: random.below(leases.count))
        let maybeHaveArrived = random.below(2) == 0
        try await store.withSpool(held.tenant) { (spool) async throws(SpoolError) in
            await spool.release(held.lease, maybeHaveArrived: maybeHaveArrived)
        }
        // Nothing of it is on its way: the worker says so.
        if !maybeHaveArrived { models[held.tenant]?.backends[held.lease.backend]?.didNotSend(Array(held.open)) }
    }

    // MARK: Upkeep

    private mutating func maintain() async throws {
        note("maintain")
        if random.below(2) == 0 {
            clock.advance(seconds: 1000)
            for tenant in models.keys { models[tenant]?.mayPrune = true }
        }
        if let tenant = present.sorted().randomElement(using: &random) { try await hurryUp(tenant) }
        let before = store.repacked.rows
        await store.maintain()
        repackedRows += store.repacked.rows - before
    }

    /// A tenant or a backend comes or goes.
    private mutating func reconfigure() async throws {
        guard let tenant = CrashRun.tenants.randomElement(using: &random) else { return }
        if random.below(2) == 0 || !present.contains(tenant) {
            if present.contains(tenant) {
                // Its leases end with its workers.
                for held in leases where held.tenant == tenant {
                    try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                        await spool.release(held.lease, maybeHaveArrived: true)
                    }
                }
                leases.removeAll { $0.tenant == tenant }
                present.remove(tenant)
            } else {
                present.insert(tenant)
            }
        } else {
            var names = models[tenant]?.attached ?? []
            let name = ["a", "b", "c"][random.below(3)]
            if names.contains(name), names.count > 1 { names.remove(name) } else { names.insert(name) }
            models[tenant]?.configure(names)
        }
        note("configure \(present.sorted()) \(tenant) \(models[tenant]?.attached.sorted() ?? [])")
        try await configure()
    }

    /// A clean stop and a new start.
    mutating func reopen() async throws {
        note("close")
        let wasOut = leases
        await store.close()
        leases = []
        if disk.isOff { return }
        for held in wasOut {
            for value in held.open { models[held.tenant]?.backends[held.lease.backend]?.sentBeforeCrash[value] = true }
        }
        try await startAgain()
    }

    private mutating func kill() async throws {
        await restart(.kill)
        try await startAgain()
    }

    /// Whoever starts the node starts it again when it does not come up.
    mutating func startAgain() async throws {
        for attempt in 1... {
            do { return try await start() } catch let error as SpoolError {
                guard toleratesErrors, attempt < 30 else { throw error }
                await restart(.kill)
            }
        }
    }
}

extension Fate {
    /// What it makes of a point; nil: it stays owed.
    fileprivate var standing: Standing? {
        switch self {
        case .delivered: .delivered
        case .assumed: .assumed
        case .dead: .dead
        case .excluded: .excluded
        case .released: nil
        }
    }
}

extension Spool {
    /// The position of the first point of each piece.
    fileprivate func starts(of lease: Lease) -> [Int64] {
        leases[lease.id]?.pieces.map { $0.row.position + Int64($0.ordinals.lowerBound) } ?? []
    }
}
