import Metrics
import TestSupport
import Testing
import WALStore

@testable import Daemon

/// Anchors that a node writes into the spools themselves, for the tenants' backends to keep.
@Suite struct AnchorerTests {
    @Test func `an anchor in the spool is the end of its chain, and verify reads it back`() async throws {
        let node = try await AnchoringNode()
        try await node.append(1)
        await node.round()
        await node.hasStored(2)
        let points = try await node.anchors()
        #expect(points.count == AnchorPoints.count && Set(points.map(\.time)) == [IngestFixture.arrival])
        #expect(Set(points.map { $0.labels["site"] }) == ["harbour"])
        #expect(Set(points.map { $0.labels["tenant"] }) == ["default"])
        let anchors = try AnchorFile.anchors(in: PrometheusAnswer.matrix(points))
        try await node.append(2)
        await node.close()
        let answer = try node.verify(anchors: anchors)
        #expect(answer.isSound && answer.confirmedAnchors == 1 && anchors.count == 1)
    }

    @Test func `a spool that was put back to a former state is found by an anchor that its backend has`() async throws {
        let node = try await AnchoringNode()
        try await node.append(1)
        let former = node.fixture.folder.path + "/former"
        try await node.backUp(to: former)
        try await node.append(2)
        await node.round()
        await node.hasStored(3)
        let anchors = try AnchorFile.anchors(in: PrometheusAnswer.matrix(try await node.anchors()))
        await node.close()
        let file = former + "/spools/default.db"
        #expect(try node.verify(file).isSound)
        #expect(try node.verify(file, anchors: anchors).findings.map(\.kind) == [.anchor])
    }

    @Test func `what an anchor brings about is no reason for another one`() async throws {
        let node = try await AnchoringNode()
        try await node.append(1)
        for _ in 0..<3 {
            await node.round()
            await node.hasStored(2)
        }
        // The point's delivery is something to vouch for; it comes with the anchor's own.
        #expect(try await node.deliver() == AnchorPoints.count + 1)
        for _ in 0..<3 {
            await node.round()
            await node.hasStored(3)
        }
        #expect(try await node.deliver() == AnchorPoints.count)
        for _ in 0..<3 { await node.round() }
        #expect(try await node.deliver() == 0)
        try await node.append(2)
        await node.round()
        await node.hasStored(5)
        #expect(try await node.anchors().count == AnchorPoints.count)
        await node.close()
    }

    @Test func `anchors add no series with time`() async throws {
        let node = try await AnchoringNode()
        for round in 1...5 {
            try await node.append(round)
            await node.round()
            await node.hasStored(round * 2)
        }
        let points = try await node.anchors()
        #expect(points.count == 5 * AnchorPoints.count)
        #expect(Set(points.map { "\($0.name) \($0.labels.sorted { $0.key < $1.key })" }).count == AnchorPoints.count)
        await node.close()
    }

    @Test func `an anchor that finds no room is told of, and made in the next round`() async throws {
        let node = try await AnchoringNode()
        try await node.append(1)
        node.isFull.set(true)
        await node.round()
        #expect(node.problems.elements.map { $0.metadata["tenant"] } == ["default"])
        node.isFull.set(false)
        await node.round()
        await node.hasStored(2)
        #expect(try await node.anchors().count == AnchorPoints.count)
        await node.close()
    }

    @Test func `a spool without a chain has no anchor`() async throws {
        let node = try await AnchoringNode(tenants: ["one", "two"]) { $0.tenant == "two" }
        for tenant in ["one", "two"] { try await node.append(1, to: tenant) }
        await node.round()
        await node.hasStored(3)
        #expect(try await node.anchors("one").isEmpty)
        #expect(try await node.anchors("two").count == AnchorPoints.count)
        await node.close()
    }
}
