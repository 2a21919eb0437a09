import TestSupport
import Testing
import WALStore

/// Found by the simulator: a reload that met a full disk left lanes without their backend until the next restart.
struct ReloadTests {
    private func tenant(_ backends: [String]) -> [SpoolConfiguration] {
        [
            SpoolConfiguration(
                tenant: "acme", backends: backends.map { BackendRegistration(name: $0, type: "influxdb") })
        ]
    }

    /// More than the log has room for: on a full disk it goes on in the space it has.
    private static let many = ["a"] + (0..<400).map { "another-\($0)" }

    private func backends(_ store: WALStore) async -> [String] {
        await store.status("acme")?.backends.filter { !$0.isDetached }.map(\.name) ?? []
    }

    @Test func `a backend that a full disk kept from being added is added once there is room`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let store = try WALStore(
            directory: "/data", node: NodeConfiguration(), upkeepInterval: nil, disk: disk.mount(), events: { _ in })
        try await store.configure(tenant(["a"]))
        _ = try await store.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.status() }
        disk.inject(DiskFault(.full, atCall: 1, count: .max))
        await #expect(throws: SpoolError.self) { try await store.configure(tenant(Self.many)) }
        #expect(await backends(store) == ["a"])
        disk.inject(nil)
        await store.maintain()
        #expect(await backends(store) == Self.many)
        await store.close()
    }

    @Test func `the same reload again reaches the spool that did not take it`() async throws {
        let disk = SimulatedDisk(seed: 2)
        let store = try WALStore(
            directory: "/data", node: NodeConfiguration(), upkeepInterval: nil, disk: disk.mount(), events: { _ in })
        try await store.configure(tenant(["a"]))
        _ = try await store.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.status() }
        disk.inject(DiskFault(.full, atCall: 1, count: .max))
        await #expect(throws: SpoolError.self) { try await store.configure(tenant(Self.many)) }
        disk.inject(nil)
        try await store.configure(tenant(Self.many))
        #expect(await backends(store) == Self.many)
        await store.close()
    }
}
