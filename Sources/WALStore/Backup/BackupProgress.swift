import Metrics

/// What is asked of a backup.
public struct BackupRequest: Sendable, Equatable {
    /// Absolute; not there yet, or an empty folder.
    public var directory: String
    /// Empty: all there are.
    public var tenants: [String] = []
    /// nil: as fast as half of a writer's time allows.
    public var bytesPerSecond: Int64?
    /// For the manifest.
    public var node: String
    public var programVersion: String

    public init(
        directory: String, tenants: [String] = [], bytesPerSecond: Int64? = nil, node: String, programVersion: String
    ) {
        self.directory = directory
        self.tenants = tenants
        self.bytesPerSecond = bytesPerSecond
        self.node = node
        self.programVersion = programVersion
    }
}

/// How far a backup is, or how it ended.
public struct BackupProgress: Sendable, Equatable {
    public enum Phase: String, Sendable {
        case copying
        /// The copy of one spool is whole; it is read for its digest.
        case reading
        case done, failed, cancelled

        public var isOver: Bool {
            switch self {
            case .copying, .reading: false
            case .done, .failed, .cancelled: true
            }
        }
    }

    public var directory: String
    public var phase = Phase.copying
    /// Whose spool it is at.
    public var tenant: String?
    public var tenantsDone = 0
    public var tenants = 0
    public var copiedBytes: Int64 = 0
    /// Grows with the spools.
    public var bytes: Int64 = 0
    public var elapsedSeconds: Double = 0
    public var missing: [BackupManifest.Missing] = []
    /// Of a backup that is done, by tenant: everything that was acknowledged before that time is in it. Wall clock,
    /// nanoseconds since the epoch.
    public var moments: [String: Int64] = [:]
    /// Why it failed.
    public var error: String?

    /// At the speed so far; nil while that says nothing.
    public var secondsLeft: Double? {
        guard !phase.isOver, copiedBytes > 0, elapsedSeconds > 0 else { return nil }
        return Double(max(0, bytes - copiedBytes)) * elapsedSeconds / Double(copiedBytes)
    }

    public var json: JSONValue {
        .map([
            "directory": .string(directory), "phase": .string(phase.rawValue), "tenant": tenant.map { .string($0) },
            "tenants_done": .int(Int64(tenantsDone)), "tenants": .int(Int64(tenants)),
            "copied_bytes": .int(copiedBytes),
            "bytes": .int(bytes), "elapsed_seconds": .double(elapsedSeconds),
            "seconds_left": secondsLeft.map { .double($0) },
            "missing": .array(
                missing.map { .map(["tenant": .string($0.tenant), "reason": .string($0.reason)]) }),
            "error": error.map { .string($0) },
        ])
    }
}
