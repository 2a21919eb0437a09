import CSQLite

#if canImport(Glibc)
    import Glibc
#endif

/// What one question may take.
public struct AuditLimits: Sendable {
    public var time: Duration
    /// A question holds the spool's log as it is: the node cannot begin it anew meanwhile. One that makes it grow by so
    /// many bytes is ended (rule 15).
    public var logGrowthBytes = 64 << 20

    public init(time: Duration = .seconds(30)) { self.time = time }
}

/// Watches a question while it runs.
final class AuditWatch {
    private let limits: AuditLimits
    private let log: String
    private let logBytes: Int
    private let end: Int64
    private var calls = 0
    private let isStopped: () -> Bool
    /// Why it was ended.
    private(set) var reason: AuditError?

    /// - Parameters:
    ///   - path: of the database.
    ///   - isStopped: asked again and again.
    init(_ limits: AuditLimits, path: String, isStopped: @escaping () -> Bool) {
        self.limits = limits
        self.isStopped = isStopped
        log = path + "-wal"
        logBytes = AuditWatch.bytes(of: log)
        let (seconds, attoseconds) = limits.time.components
        let length = min(seconds, 1 << 32) * 1_000_000_000 + attoseconds / 1_000_000_000
        end = Scheduling.systemMonotonic() + length
    }

    /// Nanoseconds that are left.
    var left: Int64 { end - Scheduling.systemMonotonic() }

    /// - Returns: whether it has to end now.
    func isOver() -> Bool {
        if reason != nil { return true }
        calls += 1
        if isStopped() {
            reason = AuditError(.stopped, "interrupted")
        } else if left <= 0 {
            reason = AuditError(.tooLong, "the question took longer than \(limits.time)")
        } else if calls % 64 == 0, AuditWatch.bytes(of: log) - logBytes > limits.logGrowthBytes {
            reason = AuditError(
                .logGrew,
                "the spool's log grew by more than \(limits.logGrowthBytes >> 20) MiB while the question ran, and is as long "
                    + "as that goes on: ask for less at once, by time or by sequence")
        }
        return reason != nil
    }

    /// In a process that has no other use of the file: a plain look at its size opens nothing.
    private static func bytes(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
