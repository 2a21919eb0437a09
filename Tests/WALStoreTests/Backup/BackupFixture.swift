import Metrics
import Synchronization
import TestSupport

@testable import WALStore

/// A node with a place for backups beside it.
struct BackupFixture {
    let node: StoreFixture

    init() throws { node = try StoreFixture() }

    /// A folder for backups that exists.
    var shelf: String { node.folder.path }
    func place(_ name: String = "backup") -> String { "\(shelf)/\(name)" }

    func request(
        _ name: String = "backup", tenants: [String] = [], bytesPerSecond: Int64? = nil
    ) -> BackupRequest {
        BackupRequest(
            directory: place(name), tenants: tenants, bytesPerSecond: bytesPerSecond, node: "here",
            programVersion: "1.2.3")
    }

    func backUp(_ store: WALStore, _ request: BackupRequest? = nil) async -> BackupProgress {
        await BackupJob(request ?? self.request(), of: store).run()
    }

    /// A backup that has been begun.
    final class Running: Sendable {
        let job: BackupJob
        private let outcome: Task<BackupProgress, Never>
        private let steps: AsyncStream<Void>

        init(_ request: BackupRequest, of store: WALStore) {
            let (steps, tell) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
            self.steps = steps
            let job = BackupJob(request, from: .running(store)) { progress in
                if progress.copiedBytes > 0 { tell.yield() }
                if progress.phase.isOver { tell.finish() }
            }
            self.job = job
            outcome = Task { await job.run() }
        }

        /// Returns when some of it has been copied.
        func hasBegun() async { for await _ in steps { return } }
        var end: BackupProgress { get async { await outcome.value } }
    }

    /// Restores all of a backup into a folder of its own, or into the node's.
    ///
    /// - Returns: what was restored, by tenant.
    @discardableResult
    func restore(
        _ name: String = "backup", to directory: String? = nil, replacing: Bool = false, chain: ChainKey? = nil
    ) throws -> [String: RestoreTarget.Restored] {
        let backup = try BackupReader(place(name))
        let target = try RestoreTarget(
            directory ?? node.path, node: NodeConfiguration(), time: time, on: .system)
        var restored: [String: RestoreTarget.Restored] = [:]
        for spool in backup.manifest.spools {
            try backup.verify(spool)
            restored[spool.tenant] = try target.restore(
                spool, from: backup, replacing: replacing, chain: chain)
        }
        return restored
    }

    var time: TimeSource {
        TimeSource(
            wall: { [node] in node.wall.withLock { $0 } }, boot: { [node] in node.boot.withLock { $0 } },
            bootID: { [node] in node.bootID.withLock { $0 } })
    }

    /// A node on a folder of its own, with this one's clocks.
    func open(_ directory: String) throws -> WALStore {
        try WALStore(directory: directory, node: NodeConfiguration(), time: time, upkeepInterval: nil) { [node] event in
            node.events.withLock { $0.append(event) }
        }
    }

    /// Names in a folder.
    func names(_ folder: String) -> [String] { Files.system.names(in: folder).sorted() }
}
