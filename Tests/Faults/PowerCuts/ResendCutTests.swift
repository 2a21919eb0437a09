import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// The power goes off while clients send a stream and requests with keys; after each start they go on as they were told.
struct ResendCutTests {
    private static let seeds = Effort.count("HOLDFAST_POWER_CUT_SEEDS", default: 1500)

    @Test func `whichever call the power goes off at, a stream and its keys are there once`() async {
        for call in 1...2000 {
            let run = ResendRun(seed: TestSeed.first)
            do {
                let isCut = try await run.run { disk, attempt in
                    if attempt == 0 { disk.cutPower(atCall: call, of: DiskCall.changes) }
                }
                guard isCut else {
                    #expect(call > 20, "it makes fewer changes than its commits do")
                    return
                }
            } catch {
                Issue.record("call \(call): \(error)")
                return
            }
        }
        Issue.record("it never ends")
    }

    @Test func `however often the power goes off, the count is that of the lines, and each is there once`() async {
        let count = TestSeed.fixed == nil ? max(1, ResendCutTests.seeds / 10) : 1
        let tally = await SeedLanes.run(from: TestSeed.first, count: count) { seed in
            let run = ResendRun(seed: seed)
            let random = Mutex(SeededGenerator(seed: seed &+ 1))
            do {
                _ = try await run.run { disk, attempt in
                    guard attempt < 12 else { return }
                    let call = random.withLock { $0.below(60) + 1 }
                    disk.cutPower(atCall: call, of: DiskCall.changes)
                }
            } catch {
                Issue.record("seed \(seed): \(error)")
            }
            return run.disk.tally
        }
        print("resends: \(count) seeds from \(TestSeed.first), \(tally.powerCuts) cuts")
        #expect(count < 20 || tally.powerCuts >= count, "too little was tried")
    }

    @Test func `a disk that only says it has synced is found out`() async {
        for seed in UInt64(1)...100 {
            let run = ResendRun(seed: seed)
            run.disk.lie(.syncs)
            do {
                _ = try await run.run { disk, attempt in
                    if attempt < 12 { disk.cutPower(atCall: Int(seed) + 20 * attempt, of: DiskCall.changes) }
                }
            } catch is Violation {
                return
            } catch {
                continue
            }
        }
        Issue.record("nobody noticed")
    }
}

/// Two clients of one tenant on a disk in memory: one with a stream, one whose requests have keys.
private final class ResendRun: Sendable {
    static let tenant = "acme"
    static let lines = 60
    static let requests = 12
    /// Values of the second client's points.
    static let keyed = 1000

    let disk: SimulatedDisk
    let clock = FaultClock()
    /// What the clients know.
    private let told = Mutex((lines: 0, requests: 0))

    init(seed: UInt64) { disk = SimulatedDisk(seed: seed) }

    /// Starts the store until both clients have sent all.
    ///
    /// - Returns: whether the power ever went off.
    func run(_ prepare: @Sendable (SimulatedDisk, _ attempt: Int) -> Void) async throws -> Bool {
        for attempt in 0..<200 {
            let store = try WALStore(
                directory: "/data", node: NodeConfiguration(openSpools: 8, writerThreads: 1, readerThreads: 1),
                time: clock.source, upkeepInterval: nil, openWait: .seconds(600), disk: disk.mount(), bases: .eager,
                events: { _ in })
            prepare(disk, attempt)
            do {
                try await configure(store)
                try await check(store)
                try await send(store)
                try await check(store)
                await store.close()
                return attempt > 0
            } catch let error as SpoolError {
                guard disk.isOff else { throw error }
            }
            await store.abandon()
            disk.restart(.powerCut)
            clock.reboot()
        }
        throw Violation("200 starts were not enough")
    }

    private func configure(_ store: WALStore) async throws {
        try await store.configure([
            SpoolConfiguration(tenant: Self.tenant, backends: [BackendRegistration(name: "a", type: "archive")])
        ])
        try await store.withSpool(Self.tenant) { (spool) async throws(SpoolError) in
            await spool.hurryUpkeep(checkpointPages: 4, walCapBytes: 1 << 14, vacuumPages: 2)
        }
    }

    private func progress(_ store: WALStore, _ name: ResendName) async throws(SpoolError) -> ResendProgress? {
        let found = await withCheckedContinuation { continuation in
            store.progress(of: name, tenant: Self.tenant) { continuation.resume(returning: $0) }
        }
        return try found.get()
    }

    /// Both clients send at once: parts of a stream share groups with requests that have a key, some of them twice.
    private func send(_ store: WALStore) async throws {
        while true {
            clock.advance(seconds: 1)
            let first = try await Int(progress(store, .stream("s"))?.committedLines ?? 0)
            let number = told.withLock { $0.requests }
            var requests: [AppendRequest] = []
            if first < Self.lines {
                let lines = first..<min(first + 7, Self.lines)
                var part = NumberedPoints.request(lines, id: "part \(first)")
                part.mark = RequestMark(stream: "s", lines: Int64(lines.lowerBound)..<Int64(lines.upperBound))
                requests.append(part)
            }
            if number < Self.requests {
                let value = Self.keyed + 3 * number
                var request = NumberedPoints.request(value..<value + 3, id: "request \(number)")
                request.mark = RequestMark(key: [UInt8(number)], body: [UInt8(number)])
                requests += [request, request]
            }
            guard !requests.isEmpty else { return }
            let answers = await store.appendInOneCommit(requests, tenant: Self.tenant)
            for (request, answer) in zip(requests, answers) {
                let receipt = try answer.get()
                switch request.mark?.name {
                case .stream: told.withLock { $0.lines = first + request.decoded.batch.points.count }
                default:
                    guard receipt.storedPoints == 3 else {
                        throw Violation("a repeat is told of \(receipt.storedPoints)")
                    }
                    told.withLock { $0.requests = number + 1 }
                }
            }
        }
    }

    /// The count is never ahead of the lines and never behind what was acknowledged; no request is there twice.
    private func check(_ store: WALStore) async throws {
        let count = try await Int(progress(store, .stream("s"))?.committedLines ?? 0)
        let truth = try await disk.withoutFault {
            try await store.withSpool(Self.tenant) { (spool) async throws(SpoolError) in try await spool.truth() }
        }
        guard truth.integrity == "ok", truth.setAsideLosses == 0 else { throw Violation("the file is damaged") }
        let values = truth.rows.flatMap(\.values)
        let (lines, requests) = told.withLock { $0 }
        guard values.filter({ $0 < Self.keyed }) == Array(0..<count) else {
            throw Violation("\(count) lines are counted, stored are \(values)")
        }
        guard count >= lines else { throw Violation("\(lines) lines were acknowledged, \(count) are there") }
        let stored = values.filter { $0 >= Self.keyed }
        guard stored == Array(Self.keyed..<Self.keyed + stored.count), stored.count >= 3 * requests else {
            throw Violation("of \(requests) acknowledged requests there are \(stored)")
        }
        let keys = try await store.withSpool(Self.tenant) { (spool) async throws(SpoolError) in
            try await spool.keyCount
        }
        guard stored.count == 3 * keys else { throw Violation("\(keys) keys, \(stored.count) points") }
    }
}

extension Spool {
    fileprivate var keyCount: Int {
        get throws(SpoolError) {
            let connection = try openDatabase().connection
            let found = try checked { () throws(SQLiteError) in
                try connection.integer("SELECT count(*) FROM request_keys")
            }
            return Int(found ?? 0)
        }
    }
}
