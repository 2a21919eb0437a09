import Foundation
import TestSupport
import Testing

/// A name server that does not answer keeps the backend with the name waiting, and nobody else.
@Suite(.enabled(if: SilentResolver.canBeUsed, "it takes root, port 53 and a mount namespace"))
struct HangingLookupTests {
    @Test func `a look-up that hangs holds up no other backend, and not the end of the node`() async throws {
        let bench = try Workbench("hanging-lookup")
        let resolver = try SilentResolver(bench)
        let near = try HoldfastNode(bench, name: "near", config: "backends: { files: { type: archive } }")
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  far: { type: influxdb, url: "http://backend.example.com:8086", database: default, timeout: 1s, connect_timeout: 1s }
                  near: { type: influxdb, url: "\(near.url)", database: default }
                tenants:
                  default: { backends: [far, near] }
                """, wrapper: resolver.wrapper)
        try await near.start()
        try await node.start()
        // Long before the resolver gives up.
        for value in 1...3 {
            #expect(try await Web.post("\(node.url)/write?db=default", "a v=\(value)").status == 204)
            #expect(
                try await eventually(within: 60) { try node.status().backend("near").delivered == value },
                "\(node.process.lastWords)")
            #expect(
                try await eventually(within: 60) {
                    try run(Workbench.holdfast, ["status", "--data-dir", node.dataFolder]).output.contains(
                        "default/far backing off")
                }, "\(node.process.lastWords)")
        }
        #expect(try node.status().backend("far").pending == 3)
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        #expect(near.process.stop() == 0)
        withExtendedLifetime(resolver) {}
    }
}
