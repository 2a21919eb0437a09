import WALStore

/// The `commit` step: a store of its own, without upkeep, in a folder that goes with it.
struct CountedCommits {
    private static let tenant = "default"

    /// - Parameters:
    ///   - appends: one commit each.
    ///   - times: how often they are all appended, after the first time, which is not counted.
    static func run(
        _ appends: [AppendRequest], times: Int, keepsChain: Bool, in parent: String
    ) async throws(BenchFailure) -> CountedResult {
        let folder = try BenchFolder.make(in: parent)
        defer { BenchFolder.remove(folder) }
        do throws(SpoolError) {
            let store = try WALStore(
                directory: "\(folder)/data", node: NodeConfiguration(), upkeepInterval: nil, events: { _ in })
            let backend = BackendRegistration(name: "sink", type: "prometheus_remote_write")
            var configuration = SpoolConfiguration(tenant: tenant, backends: [backend])
            if keepsChain { configuration.chain = .random() }
            try await store.configure([configuration])
            var result = CountedResult()
            for request in appends { _ = try await append(request, to: store) }
            for _ in 0..<times {
                for request in appends {
                    result.requests += 1
                    result.samples += try await append(request, to: store).storedPoints
                }
            }
            await store.close()
            // Closed, the log is in the database: how far behind it was is a matter of time.
            result.bytes = DiskUsage.bytes(of: folder)
            return result
        } catch {
            throw BenchFailure("a commit failed: \(error)")
        }
    }

    static func append(_ request: AppendRequest, to store: WALStore) async throws(SpoolError) -> AppendReceipt {
        let result = await withCheckedContinuation { continuation in
            store.append(request, tenant: tenant) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }
}
