import Metrics
import Synchronization
import TestSupport

@testable import WALStore

/// A spool that keeps a chain, with rows in every table that is in it, and what can be done to it.
struct ChainLife {
    let fixture: SpoolFixture
    let key = ChainKey.random()

    init(bases: BaseRules = .eager) throws { fixture = try SpoolFixture(bases: bases, chain: key) }

    /// `b` owes nothing and has the chain's deliveries; `a` has letters and losses too.
    func live() async throws {
        let spool = try await fixture.open(["a", "b"])
        for row in 0..<8 { try await append(spool, row) }
        try await settle(spool)
        var aging = fixture.configuration(["a", "b"])
        aging.maximumAgeSeconds = 60
        fixture.advance(seconds: 100)
        try await spool.configure(aging)
        while try await spool.dropAged() > 0 {}
        try await spool.configure(fixture.configuration(["a", "b"]))
        for row in 8..<12 { try await append(spool, row) }
        for kind in ["first", "second", "third"] { try await spool.note(event: kind) }
        for _ in 0..<3 { try await spool.recordAnotherLoss() }
        await spool.close()
    }

    func append(_ spool: Spool, _ row: Int) async throws {
        _ = try await spool.append(
            Make.request(Make.batch(row * 20..<(row + 1) * 20, labels: "m\(row % 2)"), id: "request \(row)"))
        fixture.advance(seconds: 1)
    }

    private func settle(_ spool: Spool) async throws {
        let reason = DeadLetterReason(code: "refused", excerpt: "no", status: 400)
        for backend in ["a", "b"] {
            for part in 0..<3 {
                guard let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 20)) else { break }
                func run(_ ordinals: Range<Int>) -> LeasedRun { LeasedRun(piece: 0, ordinals: ordinals) }
                let outcomes: [Settlement.Part] =
                    backend == "a"
                    ? [
                        .init(run(0..<10), .delivered), .init(run(10..<12), .dead(reason)),
                        .init(run(12..<20), .assumed),
                    ]
                    : [.init(run(0..<20), part == 1 ? .assumed : .delivered)]
                try await spool.settle(lease, Make.settlement(outcomes))
            }
        }
    }

    /// Does to the stopped file what somebody with `sqlite3` could.
    func tamper(_ statements: String...) throws {
        let connection = try Connection(path: fixture.path, access: .readWrite)
        defer { connection.close() }
        for statement in statements { try connection.execute(statement) }
    }

    func verify(
        _ key: ChainKey? = nil, anchors: [ChainAnchor] = [], accepting accepted: Int64 = 0
    ) throws(AuditError) -> ChainAnswer {
        try ChainVerifier.verify(
            AuditFile(path: fixture.path, isImmutable: false), key: key ?? self.key,
            expecting: ChainExpectation(anchors: anchors, acceptedGaps: accepted))
    }

    func open(_ rules: ChainRules = ChainRules(), chain: ChainKey?? = .none) async throws -> Spool {
        var configuration = fixture.configuration(["a", "b"])
        if let chain { configuration.chain = chain }
        var environment = fixture.environment
        environment.chainRules = rules
        return try await Spool.open(path: fixture.path, configuration, environment)
    }
}

extension SpoolFixture {
    /// What the chain of the spool's file says; nil where it keeps none.
    func verify() throws(AuditError) -> ChainAnswer? {
        guard let chain else { return nil }
        return try ChainVerifier.verify(AuditFile(path: path, isImmutable: false), key: chain)
    }
}
