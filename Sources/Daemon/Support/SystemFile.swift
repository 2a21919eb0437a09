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
