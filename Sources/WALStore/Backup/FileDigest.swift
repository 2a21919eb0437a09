/// A file's length and SHA-256. Never of a live spool: only SQLite opens those.
struct FileDigest: Sendable, Equatable {
    var bytes: Int64
    /// 64 hexadecimal digits.
    var sha256: String

    private static let piece = 1 << 20

    /// - Parameters:
    ///   - checkGoesOn: called between two pieces; what it throws ends the reading.
    ///   - each: is given each piece, in order.
    static func read(
        _ path: String, on files: Files, checkGoesOn: () throws(SpoolError) -> Void = { () throws(SpoolError) in },
        each: (ArraySlice<UInt8>) throws(SpoolError) -> Void = { (_) throws(SpoolError) in }
    ) throws(SpoolError) -> FileDigest {
        let found: (any OpenedFile)?
        do throws(FileError) { found = try files.disk.open(path) } catch { throw Files.failure("read", path, error) }
        guard let file = found else { throw SpoolError(.unavailable, "there is no \(path)") }
        let sum = SHA256()
        var buffer = [UInt8](repeating: 0, count: piece)
        var at: Int64 = 0
        while true {
            try checkGoesOn()
            let count: Int
            do throws(FileError) { count = try file.read(at: at, into: &buffer, from: 0) } catch {
                throw Files.failure("read", path, error)
            }
            guard count > 0 else { return FileDigest(bytes: at, sha256: sum.finish()) }
            sum.update(buffer[..<count])
            try each(buffer[..<count])
            at += Int64(count)
        }
    }
}
