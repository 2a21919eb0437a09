import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Damaged files under a real node: it always starts, what can be read is owed as before, and what cannot has a loss row
/// of exactly its places.
@Suite struct RotTests {
    /// Seeds that found a defect once.
    private static let kept: [UInt64] = [
        // A page of receipts in place of one of rows: prune took them for rows, and deleted those with their numbers.
        4_294_967_341
    ]

    @Test func `whatever happens to its files, a node starts, and every point is owed, settled or a named loss`()
        async throws
    {
        let count = Effort.count("HOLDFAST_ROT_SEEDS", default: 80)
        let first = TestSeed.first
        let seeds = RotTests.kept + (0..<UInt64(count)).map { first &+ $0 }
        var kinds: [Damage: Int] = [:]
        for seed in seeds {
            let damage = try await RotTests.run(seed)
            kinds[damage, default: 0] += 1
        }
        let names = kinds.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", ")
        print("rot: \(seeds.count) seeds from \(first): \(names)")
    }

    @Test(arguments: Damage.allCases)
    func `each kind of damage by itself`(damage: Damage) async throws {
        for isClean in [false, true] {
            let number = Damage.allCases.firstIndex(of: damage) ?? 0
            let seed = UInt64(number * 2 + (isClean ? 1 : 0))
            try await RotTests.run(seed, damage, isClean: isClean)
        }
    }

    @discardableResult
    static func run(_ seed: UInt64, _ kind: Damage? = nil, isClean: Bool? = nil) async throws -> Damage {
        var random = SeededGenerator(seed: seed)
        let drawn = Damage.allCases[Int(random.next() % UInt64(Damage.allCases.count))]
        let damage = kind ?? drawn
        let drawnClean = random.next() % 3 == 0
        let isClean = isClean ?? drawnClean
        let label = "seed \(seed) \(damage) \(isClean ? "after a clean end" : "after a kill")"
        let node = try RotNode()
        var tenant = RotNode.tenant()
        // Half of the seeds keep a chain, and each kind of damage after a kill.
        if seed % 2 == 0 { tenant.chain = .random() }
        try await fill(node, tenant, &random, isClean: isClean)
        let pages = try DamagedPages(node.spool(), copy: node.folder.path + "/sound.db")
        damage.apply(to: node.tenantFolder(), spare: node.folder.path, &random)
        var oracle = RotOracle(node, label)
        if !damage.costsWhatIsSound { oracle.damagedSequences = pages.touched(node.spool()) }
        let outcome = try await oracle.check(configuration: tenant)
        if damage.keepsEverything {
            #expect(outcome.lost["a"] == 0 && outcome.lost["b"] == 0, "\(label): \(outcome)")
        }
        if damage.needsNoSalvage {
            #expect(node.raised("a spool was set aside and a fresh one opened") == 0, "\(label)")
        }
        if let key = tenant.chain { try checkChain(node, key, damage, label) }
        return damage
    }

    /// A chain says so when its spool was set aside, and of damage that leaves the spool alone it has nothing to say.
    private static func checkChain(_ node: RotNode, _ key: ChainKey, _ damage: Damage, _ label: String) throws {
        let remembered = try RememberedChains(in: node.path, key: key)
        let file = AuditFile(path: Files.system.resolved(node.spool()), isImmutable: false)
        let findings = try ChainVerifier.verify(
            file, key: key, expecting: remembered.expect(ChainExpectation(), of: "acme")
        ).findings
        if damage.needsNoSalvage { #expect(findings == [], "\(label)") }
        guard node.raised("a spool was set aside and a fresh one opened") > 0 else { return }
        #expect(findings.contains { $0.kind == .gap && $0.table == "links" }, "\(label): \(findings)")
    }

    /// A life of commits, deliveries, dead letters and checkpoints, ended cleanly or by a kill.
    private static func fill(
        _ node: RotNode, _ tenant: SpoolConfiguration, _ random: inout SeededGenerator, isClean: Bool
    ) async throws {
        let store = try node.open()
        try await store.configure([tenant, RotNode.tenant("other")])
        try await node.append(3, to: store, tenant: "other")
        node.known.withLock { $0.places = [:] }
        let steps = 5 + Int(random.next() % 20)
        for step in 0..<steps {
            let sizes = [1, 7, 300, 2000]
            try await node.append(sizes[Int(random.next() % 4)], to: store)
            let salt = random.next()
            if random.next() % 3 == 0 {
                try await node.settle("a", points: 1 + Int(random.next() % 900), in: store) { value in
                    (UInt64(value) ^ salt) % 40 == 0 ? .released : .delivered
                }
            }
            if random.next() % 4 == 0 {
                try await node.settle("b", points: 1 + Int(random.next() % 200), in: store) { value in
                    let reason = DeadLetterReason(code: "refused", excerpt: "no", status: 400)
                    return (UInt64(value) ^ salt) % 50 == 0 ? .dead(reason) : .delivered
                }
            }
            node.advance(seconds: Int64(random.next() % 20))
            if random.next() % 6 == 0 { await store.maintain() }
            if step == steps / 2 { copyFile(node.spool() + "-wal", node.folder.path + "/stale-wal") }
        }
        copyFile(node.spool("other") + "-wal", node.folder.path + "/foreign-wal")
        await store.maintain()
        if isClean { await store.close() } else { await node.abandon(store) }
    }

    /// Of a file that SQLite has open: only a log, which has no locks of its own.
    private static func copyFile(_ source: String, _ target: String) {
        let (from, to) = (open(source, O_RDONLY), open(target, O_WRONLY | O_CREAT | O_TRUNC, 0o600))
        defer {
            close(from)
            close(to)
        }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(from, &bytes, bytes.count)
            guard count > 0 else { return }
            _ = write(to, bytes, count)
        }
    }
}
