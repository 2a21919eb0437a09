import Glibc
import WALStore

/// How long the disk takes to make 4 KiB durable: every acknowledgement waits for one such call.
struct SyncProbe: Sendable {
    var medianNanoseconds: Int64
    var p99Nanoseconds: Int64

    private static let writes = 100

    /// Writes and syncs a file of its own in `folder`, a hundred times, and removes it. Blocks: up to some seconds on a
    /// slow disk.
    static func run(in folder: String, time: TimeSource = .system) throws(FileError) -> SyncProbe {
        let path = "\(folder)/.doctor-\(getpid())"
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
        defer {
            close(descriptor)
            unlink(path)
        }
        let page = [UInt8](repeating: 0xA5, count: 4096)
        var durations: [Int64] = []
        for number in 0..<writes {
            let start = time.boot()
            guard pwrite(descriptor, page, page.count, off_t(number * page.count)) == page.count,
                fdatasync(descriptor) == 0
            else { throw FileError(path: path, code: errno) }
            durations.append(time.boot() - start)
            if durations.reduce(0, +) > 5_000_000_000 { break }
        }
        durations.sort()
        return SyncProbe(
            medianNanoseconds: durations[durations.count / 2], p99Nanoseconds: durations[durations.count * 99 / 100])
    }
}
