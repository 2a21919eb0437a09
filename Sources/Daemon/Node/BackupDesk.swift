import Metrics
import Synchronization
import WALStore

/// The backups of a running node: one at a time, and how the last one ended.
final class BackupDesk: Sendable {
    private struct State {
        var job: BackupJob?
        var task: Task<Void, Never>?
        var isStopped = false
        var lastGood: [String: Int64] = [:]
    }
    private let state = Mutex(State())
    private let store: WALStore
    private let events: EventSink

    init(_ store: WALStore, events: @escaping EventSink) {
        self.store = store
        self.events = events
    }

    /// `GET /v1/backup`: the one under way, else the last one.
    func show() -> Reply {
        guard let job = state.withLock({ $0.job }) else {
            return .problem(404, "no backup was made since the node started")
        }
        return .json(job.progress.json)
    }

    /// `POST /v1/backup`: begins one.
    ///
    /// - Parameter body: `{"directory": "/…", "tenants": ["…"], "bytes_per_second": 1048576}`; the last two may be left
    ///   out.
    func start(_ body: [UInt8]) -> Reply {
        let request: BackupRequest
        do throws(BackupRequestError) { request = try BackupRequest(body) } catch {
            return .problem(400, error.description)
        }
        let begun = state.withLock { state -> BackupJob? in
            guard !state.isStopped, state.job?.progress.phase.isOver != false else { return nil }
            let job = BackupJob(request, of: store)
            state.job = job
            state.task = Task { [self, events] in
                events(Event(.info, "a backup has begun", ["backup.directory": request.directory]))
                end(await job.run())
            }
            return job
        }
        guard let begun else {
            return .problem(
                409, "a backup is under way already: `holdfast backup --progress` shows it, --cancel ends it")
        }
        return .json(begun.progress.json)
    }

    /// `POST /v1/backup/cancel`.
    func cancel() -> Reply {
        let job = state.withLock { $0.job }
        guard let job, !job.progress.phase.isOver else { return .problem(404, "no backup is under way") }
        job.cancel()
        return .json(job.progress.json)
    }

    /// Begins no more, and cancels the one under way.
    func refuse() {
        let job = state.withLock { state in
            state.isStopped = true
            return state.job
        }
        job?.cancel()
    }

    /// Returns when the one under way has ended. It may wait for a spool: the store has to be closed before.
    func end() async { await state.withLock { $0.task }?.value }

    /// Since the start, by tenant: everything that was acknowledged before that time is in the last backup of it that came
    /// to be. Wall clock, nanoseconds since the epoch.
    var lastGood: [String: Int64] { state.withLock { $0.lastGood } }

    private func end(_ progress: BackupProgress) {
        if progress.phase == .done { state.withLock { $0.lastGood.merge(progress.moments) { _, new in new } } }
        var fields = [
            "backup.directory": progress.directory, "backup.phase": progress.phase.rawValue,
            "backup.bytes": String(progress.copiedBytes), "backup.tenants": String(progress.tenantsDone),
        ]
        fields["error"] = progress.error
        if !progress.missing.isEmpty {
            fields["backup.missing"] = progress.missing.map(\.tenant).joined(separator: " ")
        }
        let isGood = progress.phase != .failed && progress.missing.isEmpty
        events(Event(isGood ? .info : .error, "a backup has ended", fields))
    }
}

/// Why a request for a backup cannot be understood.
struct BackupRequestError: Error, Sendable, CustomStringConvertible {
    var description: String
}

extension BackupRequest {
    /// A path is at most that long. <https://man7.org/linux/man-pages/man3/realpath.3.html>
    private static let maximumPathBytes = 4096

    fileprivate init(_ body: [UInt8]) throws(BackupRequestError) {
        let document: JSONValue
        do throws(WireError) { document = try JSONValue.parse(body, depth: 4, values: 100_000) } catch {
            throw BackupRequestError(description: "the body is no JSON: \(error.message)")
        }
        guard let directory = document["directory"]?.string, directory.hasPrefix("/"), !directory.contains("\0"),
            directory.utf8.count < BackupRequest.maximumPathBytes
        else { throw BackupRequestError(description: "\"directory\" must be an absolute path") }
        self.init(directory: directory)
        for tenant in document["tenants"]?.array ?? [] {
            guard let name = tenant.string else {
                throw BackupRequestError(description: "\"tenants\" must be a list of their ids")
            }
            tenants.append(name)
        }
        if let rate = document["bytes_per_second"] {
            guard let value = rate.int, value > 0 else {
                throw BackupRequestError(description: "\"bytes_per_second\" must be a number above 0")
            }
            bytesPerSecond = value
        }
    }

    /// By this program on this machine.
    init(directory: String) {
        self.init(
            directory: directory, node: HostName.text, programVersion: HoldfastVersion.text)
    }

    var json: JSONValue {
        .map([
            "directory": .string(directory), "tenants": .array(tenants.map { .string($0) }),
            "bytes_per_second": bytesPerSecond.map { .int($0) },
        ])
    }
}
