import Glibc
import WALStore

/// Standard output for an answer: bytes are gathered, and a reader that is slow is waited for only while the question has
/// time, because the spool's log is held meanwhile.
struct SqlSink {
    private var buffer: [UInt8] = []
    private let descriptor: Int32
    private let isFile: Bool
    private static let gatheredBytes = 64 << 10
    /// A pipe with room for anything has room for so many: a write of them does not wait.
    private static let pieceBytes = 4096

    init(_ descriptor: Int32 = STDOUT_FILENO) {
        self.descriptor = descriptor
        var status = stat()
        isFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    mutating func add(_ append: (inout [UInt8]) -> Void, nanosecondsLeft: () -> Int64) throws(AuditError) {
        append(&buffer)
        if buffer.count >= SqlSink.gatheredBytes { try flush(nanosecondsLeft) }
    }

    /// Without a look at how much there is: for who flushes later.
    mutating func gather(_ append: (inout [UInt8]) -> Void) { append(&buffer) }

    mutating func flush(_ nanosecondsLeft: () -> Int64) throws(AuditError) {
        var at = 0
        while at < buffer.count {
            if !isFile { try waitForRoom(nanosecondsLeft()) }
            let end = isFile ? buffer.count : min(buffer.count, at + SqlSink.pieceBytes)
            let count = buffer[at..<end].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else {
                // Whoever reads has seen enough.
                if errno == EPIPE { throw AuditError(.stopped, "") }
                throw AuditError(.unavailable, "the answer cannot be written: \(String(cString: strerror(errno)))")
            }
            at += count
        }
        buffer.removeAll(keepingCapacity: true)
    }

    private func waitForRoom(_ nanosecondsLeft: Int64) throws(AuditError) {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let milliseconds = Int32(clamping: max(0, nanosecondsLeft / 1_000_000))
        while true {
            let found = poll(&wanted, 1, milliseconds)
            if found < 0, errno == EINTR { continue }
            guard found != 0 else {
                throw AuditError(
                    .tooLong, "the answer was not read in the question's time: write it to a file, or ask for less")
            }
            return
        }
    }
}
