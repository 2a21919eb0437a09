import TestSupport

@testable import Forwarder

#if canImport(Glibc)
    import Glibc
#endif

extension FuzzTarget {
    /// An archive's newest file with anything in it: after opening, what is there ends with a whole line, and what is
    /// appended is there once, however often it is sent.
    static let archiveFolder = FuzzTarget(
        "archive_folder", maximumBytes: 2048,
        seeds: { ["{}\n{\"torn\":", "{\"place\":[1,0]}\n", "", "{}\n\0\0\0\0{}\n"].map { Array($0.utf8) } }
    ) { bytes in
        let path = ArchiveBench.folder.path + "/archive"
        let file = path + "/archive-00000001-5.ndjson"
        mkdir(path, 0o700)
        try ArchiveBench.write(file, bytes)
        let limits = ArchiveLimits(rotateBytes: 1 << 20, rotateAfter: .seconds(3600), maximumBytes: 1 << 30)
        let line = Array("{\"place\":[424242,7]}\n".utf8)
        for _ in 0..<2 {
            let folder = try ArchiveFolder(path, limits)
            try folder.append(line, now: 6_000_000_000)
            try folder.append(line, now: 7_000_000_000)
        }
        let lines = try ArchiveBench.read(file).split(separator: 10, omittingEmptySubsequences: false)
        try require(lines.last?.isEmpty == true, "the file ends with a newline")
        let before = Array(bytes).split(separator: 10, omittingEmptySubsequences: false).dropLast()
        let isOurs = before.contains { $0.elementsEqual(line.dropLast()) }
        let count = lines.count { $0.elementsEqual(line.dropLast()) }
        try require(isOurs ? count >= 1 : count == 1, "the line is there once, not \(count) times")
        try require(!lines.contains { $0.contains(0) }, "no hole of zeros is taken for a line")
    }
}

private enum ArchiveBench {
    static let folder: TemporaryFolder = {
        do { return try TemporaryFolder() } catch { preconditionFailure("no folder: \(error)") }
    }()

    static func write(_ path: String, _ bytes: UnsafeRawBufferPointer) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(file) }
        try require(Glibc.write(file, bytes.baseAddress, bytes.count) == bytes.count, "the scratch folder has room")
    }

    static func read(_ path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        return try ArchiveCalls.read(file, 0..<1 << 20, path)
    }
}
