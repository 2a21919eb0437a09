import Testing

@testable import Metrics

struct SeriesKeyTests {
    private func batch(_ name: String = "m", _ change: (inout Batch, inout SeriesIdentity) -> Void = { _, _ in })
        -> Batch
    {
        var batch = Batch()
        var identity = SeriesIdentity.plain
        change(&batch, &identity)
        var builder = LabelBuilder()
        builder.add("__name__", name)
        do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
        _ = builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
        return batch
    }

    private func key(_ batch: Batch) -> SeriesKey {
        var scratch: [UInt8] = [1, 2, 3]
        return batch.key(ofSeries: 0, scratch: &scratch)
    }

    @Test func `a key is the same in every process and version`() {
        // Rows of spools have them: a change here would count every total anew.
        #expect(key(batch()) == SeriesKey(high: 14_891_740_098_275_651_764, low: 8_465_715_748_302_226_755))
        let typed = batch { batch, identity in
            identity.kind = .counter
            identity.unit = batch.intern(text: "By")
            identity.resource =
                batch.intern(
                    resource: Resource(
                        attributes: [
                            Attribute("a", .array([.int(1), .double(2), .bool(true), .bytes([3]), .empty])),
                            Attribute("b", .map([Attribute("c", .string("d"))])),
                        ], schemaURL: "e"))
            identity.scope = batch.intern(scope: Scope(name: "f", version: "g"))
        }
        #expect(key(typed) == SeriesKey(high: 10_139_075_833_375_132_376, low: 13_125_418_144_459_961_312))
    }

    @Test func `whatever tells two series apart tells their keys apart`() {
        let batches = [
            batch(), batch("n"),
            batch { $1.kind = .counter }, batch { $1.temporality = .cumulative }, batch { $1.isMonotonic = true },
            batch { $1.field = $0.intern(text: "f") }, batch { $1.unit = $0.intern(text: "f") },
            batch { $1.resource = $0.intern(resource: Resource(attributes: [])) },
            batch { $1.resource = $0.intern(resource: Resource(attributes: [], schemaURL: "s")) },
            batch { $1.resource = $0.intern(resource: Resource(attributes: [Attribute("a", .string("b"))])) },
            batch { $1.resource = $0.intern(resource: Resource(attributes: [Attribute("a", .bytes([98]))])) },
            batch { $1.resource = $0.intern(resource: Resource(attributes: [Attribute("a", .int(98))])) },
            batch { $1.resource = $0.intern(resource: Resource(attributes: [Attribute("a", .double(98))])) },
            batch { $1.scope = $0.intern(scope: Scope(name: "ab")) },
            batch { $1.scope = $0.intern(scope: Scope(name: "a", version: "b")) },
            batch { $1.scope = $0.intern(scope: Scope(name: "a", schemaURL: "b")) },
        ]
        #expect(Set(batches.map(key)).count == batches.count)
    }

    @Test func `where a batch has a series makes no difference`() {
        let other = batch { batch, identity in
            _ = batch.intern(text: "first")
            _ = batch.intern(resource: Resource(attributes: [Attribute("first", .empty)]))
            identity.unit = batch.intern(text: "s")
            identity.resource = batch.intern(resource: Resource(attributes: [Attribute("a", .int(1))]))
        }
        let same = batch { batch, identity in
            identity.unit = batch.intern(text: "s")
            identity.resource = batch.intern(resource: Resource(attributes: [Attribute("a", .int(1))]))
        }
        #expect(key(other) == key(same))
    }
}
