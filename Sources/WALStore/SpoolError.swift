/// What went wrong at the spool's seam. `code` is for branching, `message` for people, `cause` for the log.
public struct SpoolError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// Budget, free-space reserve or disk: nothing was stored; try again later.
        case full
        /// The commit failed or its result is unknown: nothing may be assumed; the sender tries again.
        case commitFailed = "commit_failed"
        /// The spool or the node is closing.
        case closing
        /// A block fails its checksum or does not decode; its range is then a loss row.
        case unreadable
        /// The file is another version's, another program's, or another tenant's.
        case incompatible
        /// The data folder is held by another process, or a path cannot be used.
        case unavailable
        /// The request breaks a limit no retry will change.
        case tooLarge = "too_large"
        /// The request does not go on where its stream, or the first sending of it, has come to; `committedLines` says where.
        case outOfStep = "out_of_step"
        /// The key of another request.
        case otherRequest = "other_request"
        /// A lease that is no longer ours, a backend the spool does not know: a mistake of the caller.
        case misuse
    }
    public var code: Code
    public var message: String
    public var cause: String?
    /// Lines that are committed, of an `outOfStep`.
    public var committedLines: Int64?
    /// Another process has what was asked for, and works: waiting for it would be no use.
    public var isHeldElsewhere = false
    /// That process only reads, and soon ends.
    public var isHeldByReader = false

    public init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
    public var description: String { cause.map { "\(message): \($0)" } ?? message }
}
