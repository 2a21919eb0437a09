/// A spool that is copied a step at a time, whoever has it open.
protocol CopySource: Sendable {
    /// - Parameter path: of the copy, where there is no file yet.
    func beginCopy(to path: String) async throws(SpoolError)
    /// Copies what fits into the limit.
    ///
    /// - Throws: `.closing` when the copy was ended by others: it begins anew, or not at all.
    func copyStep(_ limit: CopyLimit) async throws(SpoolError) -> CopyStep
    /// Ends a copy that is not to become whole.
    func abandonCopy() async
}

/// How much of a thread one step takes.
struct CopyLimit: Sendable {
    static let pageBytes: Int64 = 4096
    /// A step that others wait for is over in about two milliseconds, like a checkpoint (rule 14).
    static let nanoseconds: Int64 = 2_000_000
    /// Between two looks at the clock.
    static let pagesAtOnce = 32

    /// At most so many; 256 are 1 MiB.
    var pages = 256
    var clock: @Sendable () -> Int64

    /// - Returns: whether the copy is whole.
    func run(_ copy: LiveCopy) throws(SpoolError) -> CopyStep {
        let start = clock()
        var step = CopyStep()
        do throws(SQLiteError) {
            var left = pages
            while !step.isWhole, left > 0, step.nanoseconds < CopyLimit.nanoseconds {
                step.isWhole = try copy.step(pages: min(left, CopyLimit.pagesAtOnce))
                left -= CopyLimit.pagesAtOnce
                step.nanoseconds = clock() - start
            }
            step.pages = copy.pages
            if step.isWhole { try copy.end() }
        } catch {
            throw error.asSpoolError
        }
        return step
    }
}

/// What a step came to.
struct CopyStep: Sendable {
    var isWhole = false
    /// So far, and in all: the second grows with the spool.
    var pages: (copied: Int64, all: Int64) = (0, 0)
    var nanoseconds: Int64 = 0
}

/// A spool that no one in this process has open: another connection may read it, and writes nothing.
actor ClosedSpool: CopySource {
    private let executor: any SpoolExecutor
    private let path: String
    private let vfs: String?
    /// Whether it may still be read so: asked before each step.
    private let isClosed: @Sendable () -> Bool
    private var source: Connection?
    private var copy: LiveCopy?

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ path: String, vfs: String?, on executor: any SpoolExecutor, isClosed: @escaping @Sendable () -> Bool) {
        self.path = path
        self.vfs = vfs
        self.executor = executor
        self.isClosed = isClosed
    }

    func beginCopy(to target: String) throws(SpoolError) {
        do throws(SQLiteError) {
            let source = try Connection(path: path, access: .readOnly, vfs: vfs)
            self.source = source
            copy = try LiveCopy(of: source, to: target, vfs: vfs)
        } catch {
            abandonCopy()
            throw error.asSpoolError
        }
    }

    func copyStep(_ limit: CopyLimit) throws(SpoolError) -> CopyStep {
        guard let copy, isClosed() else {
            abandonCopy()
            throw SpoolError(.closing, "the spool was opened while it was copied")
        }
        let step = try limit.run(copy)
        if step.isWhole { abandonCopy() }
        return step
    }

    func abandonCopy() {
        copy?.abandon()
        copy = nil
        source?.close()
        source = nil
    }
}
