import Testing

@testable import WALStore

/// The end of a chain, asked for to be noted elsewhere.
@Suite struct ChainSealTests {
    @Test func `a seal is a link of all that is committed, and there is no other while nothing changes`() async throws {
        let life = try ChainLife()
        let spool = try await life.open()
        try await life.append(spool, 0)
        let first = try #require(try await spool.sealChain())
        #expect(try await spool.sealChain() == first)
        #expect(try life.number("SELECT max(id) FROM links") == first.status.length)
        try await life.append(spool, 1)
        let second = try #require(try await spool.sealChain())
        #expect(second.status.length == first.status.length + 1 && second.status.head != first.status.head)
        #expect(second.life == first.life)
        await spool.close()
        let anchors = try [first, second].map { seal in
            try #require(ChainAnchor("\(seal.status.length):\(seal.status.head)"))
        }
        let answer = try life.verify(anchors: anchors)
        #expect(answer.isSound && answer.confirmedAnchors == 2)
    }

    @Test func `what came behind a seal can be taken back unseen, and what came before it cannot`() async throws {
        let life = try ChainLife()
        var spool = try await life.open()
        try await life.append(spool, 0)
        let early = try #require(try await spool.sealChain())
        try await life.append(spool, 1)
        await spool.close()
        let former = try FileBytes.read(life.fixture.path)
        spool = try await life.open()
        try await life.append(spool, 2)
        let late = try #require(try await spool.sealChain())
        await spool.close()
        try FileBytes.write(life.fixture.path, former)
        func verify(_ seal: ChainSeal) throws -> ChainAnswer {
            let anchor = try #require(ChainAnchor("\(seal.status.length):\(seal.status.head)"))
            return try life.verify(anchors: [anchor])
        }
        #expect(try verify(early).isSound)
        #expect(try verify(late).findings.map(\.kind) == [.anchor])
    }

    @Test func `a spool without a chain has no seal`() async throws {
        let life = try ChainLife()
        let spool = try await life.open(chain: .some(nil))
        try await life.append(spool, 0)
        #expect(try await spool.sealChain() == nil)
        await spool.close()
    }
}
