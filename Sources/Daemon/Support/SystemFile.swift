import Glibc

/// A call on a file that failed: which file, and what the system said.
struct FileError: Error, Sendable, CustomStringConvertible {
    var path: String
    var code: Int32
    var description: String { "\(path): \(String(cString: strerror(code)))" }
}

enum SystemFile {
    /// How long a pipe may stay silent, milliseconds.
    private static let silence: Int32 = 5000

    /// The whole of a small file, or of what somebody writes into a pipe (`check <(...)`).
    ///
    /// - Parameter limit: bytes at most; a larger file is `EFBIG`. A pipe that nobody writes to is `ENODATA`, one whose
    ///   writer says nothing for five seconds `ETIMEDOUT`.
    static func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN {
                var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard poll(&event, 1, silence) != 0 else { throw FileError(path: path, code: ETIMEDOUT) }
                continue
            }
            guard count >= 0 else { throw FileError(path: path, code: errno) }
            if count == 0 {
                guard !bytes.isEmpty || !isPipe(descriptor) else { throw FileError(path: path, code: ENODATA) }
                return bytes
            }
            guard bytes.count + count <= limit else { throw FileError(path: path, code: EFBIG) }
            bytes.append(contentsOf: piece[..<count])
        }
    }

    /// Writes a file as a whole: under a name of its own beside it, and from there into its place.
    static func replace(_ path: String, with text: String, mode: mode_t = 0o644) throws(FileError) {
        let temporary = "\(path).\(getpid()).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
        var failure: Int32 = 0
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty, failure == 0 {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { bytes = bytes.dropFirst(count) } else if errno != EINTR { failure = errno }
        }
        if failure == 0, fsync(descriptor) != 0 { failure = errno }
        close(descriptor)
        if failure == 0, rename(temporary, path) != 0 { failure = errno }
        guard failure == 0 else {
            unlink(temporary)
            throw FileError(path: path, code: failure)
        }
    }

    /// Whether two paths lead to one file, also by links.
    static func isSame(_ one: String, _ other: String) -> Bool {
        if PlainPath.of(one) == PlainPath.of(other) { return true }
        var (first, second) = (stat(), stat())
        guard stat(one, &first) == 0, stat(other, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    private static func isPipe(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
    }

    /// The text of a small file, or nil: for what the kernel shows under `/proc`.
    static func text(_ path: String, limit: Int = 1 << 20) -> String? {
        guard let bytes = try? read(path, limit: limit) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
