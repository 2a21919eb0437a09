import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Random work on a spool beside a plain array that does the same.
struct SpoolModelTests {
    /// Fixed, so that what must occur in a run does.
    @Test func `what a late rename hands on is owed once, whatever happens around it`() async throws {
        var inherited = 0
        for seed in UInt64(1)...4 {
            var model = try await SpoolModel(seed)
            do {
                for _ in 0..<60 {
                    for _ in 0..<3 { try await model.step() }
                    try await model.renameLate()
                }
                try await model.drain()
                inherited += model.inheritedPoints
                await model.spool.close()
            } catch {
                Issue.record("seed \(seed): \(error)")
            }
        }
        #expect(inherited > 0, "runs without an inheritance try too little")
    }

    @Test(arguments: 0..<6) func `the ledger agrees with a plain array, whatever happens`(_ run: Int) async throws {
        var random = SeededGenerator.fresh()
        var model = try await SpoolModel(random.next())
        model.endsLetters = true
        model.sendsMarked = true
        model.goesAhead = true
        do {
            for _ in 0..<220 { try await model.step() }
            try await model.passOn()
            try await model.drain()
            #expect(model.routedPoints > 0, "a run without rules tries too little")
            #expect(model.repackedRows > 0, "a run without a repack tries too little")
            #expect(model.marks.repeats > 0, "a run that sends nothing again tries too little")
            #expect(model.leasesAhead > 0, "a run in which nothing goes ahead tries too little")
            #expect(model.leasesOfBodies > 0 || model.fixture.cache.maximumBytes == 0, "seed \(random.seed)")
            await model.spool.close()
        } catch {
            Issue.record("seed \(random.seed) run \(run): \(error)")
        }
    }
}

/// What a backend's every point has come to.
enum Standing: Equatable { case pending, delivered, assumed, dead, lost, excluded }

struct SpoolModel {
    struct Failure: Error, CustomStringConvertible { var description: String }
    /// A slow machine must not end in the middle of what is to be whole.
    static let patience: Int64 = 600_000_000_000

    let fixture: SpoolFixture
    var spool: Spool
    var random: SeededGenerator
    var accepted = 0
    /// By position: the value of the point, which is its position, or that of the letter that was sent again.
    var contents: [Int] = []
    var standings: [String: [Standing]] = ["a": []]
    var attached: Set<String> = ["a"]
    var leases: [Lease] = []
    /// By lease: positions not settled yet.
    var open: [LeaseID: Set<Int>] = [:]
    /// By lease: the position of the first point of each piece.
    var starts: [LeaseID: [Int]] = [:]
    var repackedRows: Int64 = 0
    /// By backend: the first sequence that it was ever owed anything of, or could have been.
    var began: [String: Int64] = ["a": 1]
    var inheritedPoints = 0
    var leasesOfBodies = 0
    /// Dead letters are purged, or sent again, now and then. Not where fixed seeds tell their story without.
    var endsLetters = false
    /// So are requests with keys, and the lines of a stream.
    var sendsMarked = false
    var marks = Marks()
    /// And fresh points go ahead of a backlog.
    var goesAhead = false
    var leasesAhead = 0
    /// Kept back by rules.
    var routedPoints = 0
    private static let routes = [StoredRoute(RouteRules(sample: 0.5)), StoredRoute(RouteRules(sample: 0.25))]

    init(_ seed: UInt64) async throws {
        random = SeededGenerator(seed: seed)
        // Half of the models keep a chain, which must hold whenever the spool was closed or its process killed.
        fixture = try SpoolFixture(
            cacheBytes: seed % 2 == 0 ? 0 : 1 << 20, bases: .eager, chain: seed % 4 < 2 ? ChainKey.random() : nil)
        spool = try await fixture.open()
    }

    mutating func step() async throws {
        fixture.advance(seconds: 1)
        if endsLetters, random.next() % 25 == 0 {
            if random.next() % 2 == 0 { try await purge() } else { try await redrive() }
        }
        if sendsMarked, random.next() % 8 == 0 { try await sendMarked() }
        switch random.next() % 100 {
        case 0..<35: try await append()
        case 35..<60: try await lease()
        case 60..<81: try await settle()
        case 81..<85: try await catchUp()
        case 85..<90: await release()
        case 90..<93:
            try await reopen(cleanly: true)
            await repack()
        case 93..<96: try await reopen(cleanly: false)
        case 96: try await reconfigure()
        case 97: try await renameLate()
        case 98: await repack()
        default: try await lose()
        }
        try await check()
    }

    // MARK: Steps

    private mutating func append() async throws {
        try await append((0...Int(random.next() % 3)).map { _ in Int(random.next() % 40) })
    }

    /// Requests of so many points, in one commit.
    private mutating func append(_ counts: [Int], havingBody: Bool = false) async throws {
        var waiting: [Task<AppendReceipt, any Error>] = []
        let gate = Semaphore()
        fixture.writer.submit { gate.wait() }
        for count in counts {
            let batch = Make.batch(accepted..<accepted + count, labels: "m\(random.next() % 3)")
            let spool = spool
            let queued = spool.queued
            let hasBody = havingBody || random.next() % 4 != 0
            waiting.append(Task { try await spool.append(Make.request(batch, hasBody: hasBody)) })
            while spool.queued == queued { await Task.yield() }
            accept(Array(accepted..<accepted + count), owedBy: attached)
        }
        gate.post()
        for task in waiting { _ = try await task.value }
    }

    mutating func accept(_ values: [Int], owedBy owed: Set<String>) {
        accepted += values.count
        contents += values
        for name in standings.keys {
            let standing: Standing = owed.contains(name) ? .pending : .excluded
            standings[name]?.append(contentsOf: Array(repeating: standing, count: values.count))
        }
    }

    private mutating func lease() async throws {
        guard let name = standings.keys.sorted().randomElement(using: &random) else { return }
        let limit = Int(random.next() % 60) + 1
        let isMerged = random.next() % 2 == 0
        let bodyPoints = random.next() % 4 == 0 ? nil : Int(random.next() % 80) + 1
        let taken = leases.filter { $0.backend == name }.reduce(into: Set<Int>()) { $0.formUnion(open[$1.id] ?? []) }
        let free = (standings[name] ?? []).indices.filter { standings[name]?[$0] == .pending && !taken.contains($0) }
        var wanted = LeaseLimit(points: limit, isMerged: isMerged, bodyPoints: bodyPoints)
        if goesAhead, random.next() % 2 == 0 {
            let turn: FreshFirst.Turn = random.next() % 3 == 0 ? .backlog : .fresh
            wanted.freshFirst = FreshFirst(
                turn: turn, freshSeconds: Int64(1 + random.next() % 8), keepsOrder: random.next() % 2 == 0)
        }
        guard let lease = try await spool.lease(backend: name, limit: wanted) else {
            guard free.isEmpty else { throw Failure(description: "\(free.count) points of \(name) are not leased") }
            return
        }
        let positions = try await positions(of: lease)
        let isInOrder = positions == Array(free.prefix(positions.count))
        let isAhead = wanted.freshFirst != nil && Set(positions).isSubset(of: free) && positions == positions.sorted()
        guard !positions.isEmpty, isInOrder || isAhead, lease.points <= limit else {
            throw Failure(description: "leased \(positions), free \(free.prefix(limit))")
        }
        leasesAhead += isInOrder ? 0 : 1
        if lease.isOfBodies {
            leasesOfBodies += 1
            let isOfOneRow = isMerged && lease.pieces.count == 1
            guard let most = bodyPoints, lease.points <= most || isOfOneRow,
                lease.pieces.allSatisfy({ $0.values.count == $0.ordinals.count })
            else { throw Failure(description: "leased \(lease.points) points as bodies, \(bodyPoints ?? 0) wanted") }
        } else if isMerged, Set(lease.pieces.map(\.batch.points.count)).count > 1 {
            throw Failure(description: "the pieces of a merged lease have batches of their own")
        }
        leases.append(lease)
        open[lease.id] = Set(positions)
        starts[lease.id] = await spool.starts(of: lease)
    }

    /// Of the points of a lease, in order; each is the point that was accepted there.
    private func positions(of lease: Lease) async throws -> [Int] {
        let positions = zip(await spool.starts(of: lease), lease.pieces).flatMap { start, piece in
            start..<start + piece.values.count
        }
        guard positions.map({ contents[$0] }) == lease.values else {
            throw Failure(description: "leased \(lease.values) at \(positions)")
        }
        return positions
    }

    /// Settles all that a backend is owed and nobody has leased: it is live from then on.
    private mutating func catchUp(_ backend: String? = nil) async throws {
        guard let name = backend ?? attached.sorted().randomElement(using: &random) else { return }
        while let lease = try await spool.lease(backend: name, limit: LeaseLimit(points: 100, bodyPoints: 100)) {
            let positions = try await positions(of: lease)
            try await spool.settle(lease, Make.all(lease, .delivered))
            for position in positions { standings[name]?[position] = .delivered }
            leasesOfBodies += lease.isOfBodies ? 1 : 0
        }
    }

    /// A backend that is live gets the body of a request.
    mutating func passOn() async throws {
        guard let name = attached.sorted().first else { return }
        for lease in leases { await spool.release(lease) }
        (leases, open) = ([], [:])
        // Who has asked for bodies once gets those of what comes then.
        try await append([1])
        try await catchUp(name)
        try await append([10], havingBody: true)
        try await catchUp(name)
    }

    private mutating func settle() async throws {
        guard let index = leases.indices.randomElement(using: &random) else { return }
        let lease = leases[index]
        var parts: [Settlement.Part] = []
        // By which points are kept back, of each run the first ones.
        let route = [nil, SpoolModel.routes[0], SpoolModel.routes[1]][Int(random.next() % 3)]
        for piece in lease.pieces.indices {
            var at = lease.pieces[piece].ordinals.lowerBound
            while at < lease.pieces[piece].ordinals.upperBound {
                let end = min(lease.pieces[piece].ordinals.upperBound, at + Int(random.next() % 20) + 1)
                let first = lease.pieces[piece].ordinals.lowerBound
                let start = starts[lease.id]?[piece] ?? 0
                let positions = start + at - first..<start + end - first
                if random.next() % 3 != 0, Set(positions).isSubset(of: open[lease.id] ?? []) {
                    var (fate, standing) = randomFate()
                    if lease.isOfBodies, standing == .dead { (fate, standing) = (.delivered, .delivered) }
                    let isRouted = route != nil && (standing == .delivered || standing == .assumed)
                    let excluded = isRouted ? Int(random.next() % UInt64(end - at + 1)) : 0
                    parts.append(.init(LeasedRun(piece: piece, ordinals: at..<end), fate, excluded: excluded))
                    for position in positions { standings[lease.backend]?[position] = standing }
                    for position in positions.prefix(excluded) { standings[lease.backend]?[position] = .excluded }
                    routedPoints += excluded
                    open[lease.id]?.subtract(positions)
                }
                at = end
            }
        }
        parts.shuffle(using: &random)
        var settlement = Make.settlement(parts)
        settlement.route = route
        try await spool.settle(lease, settlement)
        if open[lease.id]?.isEmpty == true { leases.remove(at: index) }
    }

    private mutating func randomFate() -> (Fate, Standing) {
        switch random.next() % 10 {
        case 0: (.dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400)), .dead)
        case 1: (.assumed, .assumed)
        case 2: (.excluded(reason: "kind"), .excluded)
        case 3: (.released, .pending)
        default: (.delivered, .delivered)
        }
    }

    /// Merges what pays, the smallest of runs included.
    private mutating func repack() async {
        await spool.hurryRepack()
        let (round, failure) = await spool.repack(RepackRound())
        #expect(failure == nil)
        repackedRows += round.tally.rows
    }

    private mutating func release() async {
        guard let index = leases.indices.randomElement(using: &random) else { return }
        let lease = leases.remove(at: index)
        open[lease.id] = nil
        await spool.release(lease, maybeHaveArrived: random.next() % 2 == 0)
    }

    private mutating func reopen(cleanly: Bool) async throws {
        if cleanly { await spool.close() } else { await spool.abandon() }
        if let answer = try fixture.verify(), !answer.isSound || answer.uncoveredRows > 0 || answer.formerRows > 0 {
            throw Failure(description: "the chain: \(answer.findings), \(answer.uncoveredRows) rows without a tag")
        }
        leases = []
        open = [:]
        spool = try await fixture.open(attached.sorted())
    }

    /// Adds a backend, takes one away, or brings one back.
    private mutating func reconfigure() async throws {
        let name = ["a", "b", "c"][Int(random.next() % 3)]
        if attached.contains(name) {
            if attached.count > 1 { attached.remove(name) }
        } else {
            attached.insert(name)
            if began[name] == nil { began[name] = await spool.ledger.nextSequence }
            if standings[name] == nil { standings[name] = Array(repeating: .excluded, count: accepted) }
        }
        try await spool.configure(fixture.configuration(attached.sorted()))
    }

    /// One that is there is told to be what another was, which left with a backlog: it takes over what lies before its
    /// own beginning, unless some of that is on its way.
    mutating func renameLate() async throws {
        guard let heir = attached.sorted().randomElement(using: &random),
            let former = standings.keys.filter({ !attached.contains($0) }).sorted().randomElement(using: &random)
        else { return try await reconfigure() }
        let beginning = began[heir] ?? 1
        let isLeased = leases.contains { $0.backend == former }
        let ranges = await spool.ledger.backends.first { $0.name == former }?.ranges ?? []
        let taken = isLeased ? [] : ranges.filter { $0.end.place <= Place(beginning, 0) }
        var configuration = fixture.configuration(attached.sorted())
        for index in configuration.backends.indices where configuration.backends[index].name == heir {
            configuration.backends[index].renamedFrom = former
        }
        try await spool.configure(configuration)
        for position in taken.flatMap(\.positions) {
            standings[former]?[Int(position)] = .excluded
            standings[heir]?[Int(position)] = .pending
        }
        inheritedPoints += taken.reduce(0) { $0 + $1.positions.count }
        if let first = taken.first { began[heir] = first.start.place.sequence }
    }

    /// The oldest rows go, as a budget would have it.
    private mutating func lose() async throws {
        let lost = try await spool.loseOldest(Int(random.next() % 3) + 1)
        for positions in lost {
            for name in standings.keys {
                for position in positions where standings[name]?[Int(position)] == .pending {
                    standings[name]?[Int(position)] = .lost
                }
            }
        }
    }

    /// Delivers whatever is left.
    mutating func drain() async throws {
        for lease in leases { await spool.release(lease) }
        leases = []
        open = [:]
        for name in standings.keys.sorted() {
            while let lease = try await spool.lease(backend: name, limit: LeaseLimit(points: 500)) {
                let positions = try await positions(of: lease)
                try await spool.settle(lease, Make.all(lease, .delivered))
                for position in positions { standings[name]?[position] = .delivered }
            }
            guard try await spool.books(name).pendingPoints == 0 else { throw Failure(description: "left over") }
        }
        try await check()
    }

    // MARK: Checking

    private func check() async throws {
        for (name, points) in standings {
            let books = try await spool.books(name)
            func count(_ standing: Standing) -> Int64 { Int64(points.filter { $0 == standing }.count) }
            guard books.balances, books.owedPoints == accepted else {
                throw Failure(description: "\(name) does not balance: \(books)")
            }
            let found = [
                books.pendingPoints, books.deliveredPoints, books.assumedPoints, books.deadPoints, books.lostPoints,
                books.excludedPoints,
            ]
            let expected = [
                count(.pending), count(.delivered), count(.assumed), count(.dead), count(.lost), count(.excluded),
            ]
            guard found == expected else { throw Failure(description: "\(name): \(found), expected \(expected)") }
        }
        try await spool.checkStoredLedger()
    }
}
