import Glibc

/// What the kernel says of a process and a folder.
struct ProcessUsage {
    /// User and system time, seconds.
    var cpuSeconds = 0.0
    /// Resident now and at most, bytes.
    var residentBytes = 0
    var peakResidentBytes = 0
    /// What it made the kernel write to block devices: pages of files that it made dirty, `-wal` and temporary files
    /// included. The file system's own journal is not in it. proc(5), `write_bytes`. Nil when the process is another
    /// user's.
    var writtenBytes: Int?

    /// - Returns: nil when there is no such process.
    init?(pid: Int32) {
        guard let stat = ProcessUsage.read("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        // Fields behind the name, which may hold blanks: utime and stime are the 12th and 13th. proc(5)
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        for line in (ProcessUsage.read("/proc/\(pid)/status") ?? "").split(separator: "\n") {
            guard
                let kibibytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({
                    Int($0)
                })
            else { continue }
            if line.hasPrefix("VmRSS:") { residentBytes = kibibytes << 10 }
            if line.hasPrefix("VmHWM:") { peakResidentBytes = kibibytes << 10 }
        }
        for line in (ProcessUsage.read("/proc/\(pid)/io") ?? "").split(separator: "\n")
        where line.hasPrefix("write_bytes:") {
            writtenBytes = Int(line.dropFirst("write_bytes: ".count))
        }
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}

/// The space files take on disk, folders below included.
enum DiskUsage {
    static func bytes(of path: String, depth: Int = 8) -> Int {
        var entry = stat()
        guard lstat(path, &entry) == 0 else { return 0 }
        guard entry.st_mode & S_IFMT == S_IFDIR else { return Int(entry.st_blocks) * 512 }
        guard depth > 0, let folder = opendir(path) else { return 0 }
        defer { closedir(folder) }
        var sum = 0
        while let next = readdir(folder) {
            let name = withUnsafePointer(to: &next.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { sum += bytes(of: "\(path)/\(name)", depth: depth - 1) }
        }
        return sum
    }
}
