import Glibc

/// What every process tells about itself, under the names that every dashboard knows:
/// <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>.
struct ProcessMetrics {
    var cpuSeconds: Double
    var residentBytes: Double
    var virtualBytes: Double
    var openDescriptors: Double
    var maximumDescriptors: Double
    var threads: Double
    var startSeconds: Double

    /// Reads `/proc/self`; nil where there is none.
    static func read() -> ProcessMetrics? {
        guard let stat = SystemFile.text("/proc/self/stat"), let name = stat.lastIndex(of: ")") else { return nil }
        // proc(5): the fields after the name, the first being the third of the manual's list.
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        guard fields.count > 21 else { return nil }
        func field(_ number: Int) -> Double { Double(fields[number - 3]) ?? 0 }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return ProcessMetrics(
            cpuSeconds: (field(14) + field(15)) / ticks,
            residentBytes: field(24) * Double(sysconf(Int32(_SC_PAGESIZE))),
            virtualBytes: field(23), openDescriptors: Double(countDescriptors()),
            maximumDescriptors: Double(limit.rlim_cur), threads: field(20),
            startSeconds: bootSeconds() + field(22) / ticks)
    }

    private static func countDescriptors() -> Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return max(0, count - 3)  // Without ".", ".." and the folder's own.
    }

    private static func bootSeconds() -> Double {
        let line = SystemFile.text("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst(6)) } ?? 0
    }

    func write(into page: inout ExpositionWriter) {
        page.family("process_cpu_seconds_total", .counter, "User and system CPU time spent.")
        page.sample("process_cpu_seconds_total", [], cpuSeconds)
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory.", residentBytes),
            ("process_virtual_memory_bytes", "Virtual memory.", virtualBytes),
            ("process_open_fds", "Open file descriptors.", openDescriptors),
            ("process_max_fds", "Open file descriptors allowed.", maximumDescriptors),
            ("process_threads", "Threads.", threads),
            ("process_start_time_seconds", "Start time since the epoch.", startSeconds),
        ] {
            page.family(name, .gauge, help)
            page.sample(name, [], value)
        }
    }
}
