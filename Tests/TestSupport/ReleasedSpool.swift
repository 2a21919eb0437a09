#if canImport(Glibc)
    import Glibc
#endif

/// A spool that a released version wrote, kept as it left it: `spool.db` after a clean close, and the `-wal` of a process
/// that opened it after that, appended, and was killed. `ReleasedSchemaTests` says what is in it, and makes it again.
public struct ReleasedSpool: Sendable {
    public struct Failure: Error { public var reason: String }

    public static let all = [ReleasedSpool(version: 1)]

    /// Of the schema.
    public var version: Int

    private static let folder =
        String(#filePath.dropLast("ReleasedSpool.swift".count)) + "Released/"

    public init(version: Int) { self.version = version }

    /// Where its database is kept.
    public var path: String { ReleasedSpool.folder + "v00\(version)-spool.db" }

    public var database: [UInt8] { get throws { try ReleasedSpool.bytes(path) } }
    public var log: [UInt8] { get throws { try ReleasedSpool.bytes(path + "-wal") } }

    /// Puts a copy where a spool is expected.
    public func copy(to target: String, withLog: Bool) throws {
        try ReleasedSpool.write(try database, to: target)
        if withLog { try ReleasedSpool.write(try log, to: target + "-wal") }
    }

    /// Keeps the files of a spool that no process has open.
    public func keep(_ database: String, log: String) throws {
        try ReleasedSpool.write(try ReleasedSpool.bytes(database), to: path)
        try ReleasedSpool.write(try ReleasedSpool.bytes(log), to: path + "-wal")
    }

    private static let maximumBytes = 4 << 20

    private static func bytes(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw Failure(reason: "\(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: maximumBytes)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "w") else { throw Failure(reason: "\(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw Failure(reason: "\(path): short write") }
    }
}
