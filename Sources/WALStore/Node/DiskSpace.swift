/// How much room a file system has.
public struct DiskSpace: Sendable, Hashable {
    public var totalBytes: Int64
    /// What an unprivileged process may still take.
    public var freeBytes: Int64

    public init(totalBytes: Int64, freeBytes: Int64) {
        self.totalBytes = totalBytes
        self.freeBytes = freeBytes
    }

    /// Of the file system that holds `path`.
    public static func of(_ path: String) throws(SpoolError) -> DiskSpace { try of(path, on: .system) }

    static func of(_ path: String, on files: Files) throws(SpoolError) -> DiskSpace {
        do throws(FileError) { return try files.disk.space(of: path) } catch {
            throw Files.failure("ask for the free space of", path, error)
        }
    }
}

extension NodeConfiguration {
    static let defaultMaximumBytes: Int64 = 50 << 30

    /// What all spools together may take: as configured, else 50 GiB or 80 % of the disk, whichever is less.
    func maximumBytes(on disk: DiskSpace) -> Int64 {
        if let maximumBytes { return maximumBytes }
        // 0: it could not be asked yet.
        guard disk.totalBytes > 0 else { return NodeConfiguration.defaultMaximumBytes }
        return min(NodeConfiguration.defaultMaximumBytes, disk.totalBytes / 5 * 4)
    }

    /// What stays free on the file system.
    func reserveBytes(on disk: DiskSpace) -> Int64 {
        Int64(Double(disk.totalBytes) * max(0, min(100, freeSpaceReservePercent)) / 100)
    }
}
