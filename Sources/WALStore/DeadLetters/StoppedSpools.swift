/// The spools of a node that does not run, for reading. The folder is locked for a page, so that no node writes meanwhile,
/// and one can start before the next, however long somebody takes to look at it; nothing in a spool is changed.
public final class StoppedSpools: Sendable {
    /// Tenants that have a spool, configured or not, by name.
    public let tenants: [String]
    private let directory: String
    private let executor: any SpoolExecutor

    /// - Throws: `.unavailable` when a node has the folder (`isHeldElsewhere`), or there is none.
    public init(_ directory: String) async throws(SpoolError) {
        guard try Files.system.exists(directory + "/tenants") else {
            throw SpoolError(.unavailable, "\(directory) is no data folder: nothing is there to be read")
        }
        let folder = try await StoppedSpools.lock(directory)
        tenants = folder.tenants().filter { folder.files.mayExist(folder.spool(of: $0)) }.sorted()
        folder.unlock()
        self.directory = directory
        executor = ThreadExecutor()
    }

    deinit { executor.stop() }

    /// Another reader has it for a page, or for a backup.
    private static let patience = Duration.seconds(5)

    private static func lock(_ directory: String) async throws(SpoolError) -> DataFolder {
        let end = ContinuousClock.now + patience
        while true {
            do throws(SpoolError) { return try DataFolder(directory, isReader: true) } catch {
                guard error.isHeldByReader, ContinuousClock.now < end else { throw error }
            }
            do { try await Task.sleep(for: .milliseconds(20)) } catch {
                throw SpoolError(.closing, "the command was cancelled")
            }
        }
    }

    /// As `Spool.deadLetters`.
    public func deadLetters(
        tenant: String, _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> DeadLetterPage {
        try await withReader(tenant) { (reader) async throws(SpoolError) in
            try await reader.deadLetters(filter, after: after, limit)
        }
    }

    /// As `Spool.assumedDeliveries`.
    public func assumedDeliveries(
        tenant: String, _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> AssumedDeliveryPage {
        try await withReader(tenant) { (reader) async throws(SpoolError) in
            try await reader.assumedDeliveries(filter, after: after, limit)
        }
    }

    /// As `Spool.deadLetter`.
    public func deadLetter(tenant: String, _ id: Int64) async throws(SpoolError) -> DeadLetterWithPoint? {
        try await withReader(tenant) { (reader) async throws(SpoolError) in try await reader.deadLetter(id) }
    }

    private func withReader<Found: Sendable>(
        _ tenant: String, _ body: @Sendable (SpoolReader) async throws(SpoolError) -> Found
    ) async throws(SpoolError) -> Found {
        guard tenants.contains(tenant) else {
            throw SpoolError(.misuse, "there is no spool of a tenant \"\(tenant)\"")
        }
        let folder = try await StoppedSpools.lock(directory)
        defer { folder.unlock() }
        let path = folder.spool(of: tenant)
        // A node that ended well has left no log: then nothing need be made beside the file.
        let reader = SpoolReader(
            path: path, executor: executor, vfs: folder.files.disk.vfs,
            isImmutable: folder.files.size(path + "-wal") == 0)
        do throws(SpoolError) {
            let found = try await body(reader)
            await reader.close()
            return found
        } catch {
            await reader.close()
            throw error
        }
    }
}
