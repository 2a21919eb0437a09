import Testing

@testable import Metrics

/// Names that Unicode calls equal and every backend calls different.
struct ExactTextTests {
    private static let composed = "caf\u{e9}"
    private static let decomposed = "cafe\u{301}"

    @Test func `texts that differ only by normalisation are two texts`() {
        #expect(ExactTextTests.composed == ExactTextTests.decomposed, "what String says")
        var batch = Batch()
        let first = batch.intern(text: ExactTextTests.composed)
        let second = batch.intern(text: ExactTextTests.decomposed)
        #expect(first != second)
        #expect(batch.intern(text: ExactTextTests.composed) == first)
        #expect(batch.texts.map { Array($0.utf8) }.last == Array(ExactTextTests.decomposed.utf8))
    }

    @Test func `two fields of a line that differ only by normalisation stay two series through a merge`() throws {
        var decoder = LineProtocolDecoder()
        var request = DecodedRequest()
        let body = Array("m \(ExactTextTests.composed)=1,\(ExactTextTests.decomposed)=2 1000\n".utf8)
        try body.withUnsafeBytes { try decoder.decode($0, LineContext(arrivalTime: 0), into: &request) }
        var merged = Batch()
        merged.merge(request.batch)
        #expect(merged.series.count == 2)
        #expect(merged == request.batch)
        let fields = (0..<2).map { Array(merged.field(of: merged.points.series[$0]).utf8) }
        #expect(fields == [Array(ExactTextTests.composed.utf8), Array(ExactTextTests.decomposed.utf8)])
    }

    @Test func `batches whose fields differ only by normalisation are not equal`() {
        var (left, right) = (Batch(), Batch())
        _ = left.intern(text: ExactTextTests.composed)
        _ = right.intern(text: ExactTextTests.decomposed)
        #expect(left != right)
    }

    @Test func `resources and scopes that differ only by normalisation are two`() {
        let texts = [ExactTextTests.composed, ExactTextTests.decomposed]
        let values: [(String) -> Resource] = [
            { Resource(attributes: [Attribute($0, .string("v"))]) },
            { Resource(attributes: [Attribute("k", .string($0))]) },
            { Resource(attributes: [Attribute("k", .array([.map([Attribute("k", .string($0))])]))]) },
            { Resource(attributes: [], schemaURL: $0) },
        ]
        var batch = Batch()
        for make in values {
            let ids = texts.map { batch.intern(resource: make($0)) }
            #expect(ids[0] != ids[1])
            #expect(batch.intern(resource: make(texts[0])) == ids[0])
        }
        let scopes: [(String) -> Scope] = [
            { Scope(name: $0) }, { Scope(name: "s", version: $0) }, { Scope(name: "s", schemaURL: $0) },
            { Scope(name: "s", attributes: [Attribute($0, .empty)]) },
        ]
        for make in scopes {
            let ids = texts.map { batch.intern(scope: make($0)) }
            #expect(ids[0] != ids[1])
            #expect(batch.intern(scope: make(texts[0])) == ids[0])
        }
    }

    @Test func `values of different kinds are different, and equal ones hash alike`() {
        let values: [AttributeValue] = [
            .string("1"), .bool(true), .int(1), .double(1), .bytes([1]), .array([.int(1)]),
            .map([Attribute("1", .int(1))]),
            .empty,
        ]
        #expect(Set(values + values).count == values.count)
    }
}
