import Metrics

/// Series like those of many node exporters, and how each moves from scrape to scrape.
///
/// The names, labels and behaviours follow what node exporters show: counters of seconds per CPU and mode, byte and packet
/// counters per device, gauges of memory, constants. Of 514 series of a real one (1.5, one scrape a second, 20 scrapes), 72 %
/// did not move, 60 % of the rest were whole numbers, 30 % had the nine decimals of a duration, and 2 were no short decimal
/// in any form. These here move more: a third of them. No two hosts move alike.
struct GeneratedSeries {
    enum Motion {
        /// A value that does not change: limits, flags, information.
        case constant(Double)
        /// Grows by a few whole steps each scrape: packets, bytes, operations.
        case counter(start: Double, step: UInt64)
        /// Grows likewise, in units that are parts of a second.
        case seconds(start: Double, step: UInt64, unit: Unit)
        /// Whole and wandering: memory bytes.
        case gauge(base: Double, spread: UInt64)
        /// Wandering parts of a unit: loads in hundredths, durations in nanoseconds.
        case parts(base: UInt64, spread: UInt64, unit: Unit)
        /// All digits of a double: the time of day.
        case noise
    }

    /// How an exporter makes a number of seconds of a whole number of parts.
    enum Unit {
        /// CPU time, loads: divided by 100.
        case hundredths
        /// Disk times: multiplied by 0.001, which is not the same as divided by 1000.
        case milliseconds
        /// Pressure: divided by 1000, twice.
        case microseconds
        /// Durations: divided by 10^9.
        case nanoseconds

        func value(_ parts: Double) -> Double {
            switch self {
            case .hundredths: parts / 100
            case .milliseconds: parts * 0.001
            case .microseconds: parts / 1000 / 1000
            case .nanoseconds: parts / 1_000_000_000
            }
        }
    }

    /// Canonical label bytes.
    let labels: [UInt8]
    let motion: Motion

    /// - Parameter count: of series; as many hosts as it takes, about 1,000 series each.
    static func make(_ count: Int, random: inout BenchRandom) -> [GeneratedSeries] {
        var all: [GeneratedSeries] = []
        all.reserveCapacity(count)
        var host = 0
        while all.count < count {
            appendHost(host, limit: count, to: &all, &random)
            host += 1
        }
        return all
    }

    private static func appendHost(
        _ host: Int, limit: Int, to all: inout [GeneratedSeries], _ random: inout BenchRandom
    ) {
        let instance = "10.\(host / 250).\(host % 250).17:9100"
        var builder = LabelBuilder()
        func add(_ name: String, _ labels: [(String, String)], _ motion: Motion) {
            guard all.count < limit else { return }
            builder.reset()
            builder.add("__name__", name)
            builder.add("instance", instance)
            builder.add("job", "node")
            for (name, value) in labels { builder.add(name, value) }
            // Names and values above are plain words: they cannot be refused.
            guard (try? builder.finish()) != nil else { return }
            all.append(GeneratedSeries(labels: builder.canonical, motion: motion))
        }
        func start() -> Double { Double(random.next() % 4_000_000_000) }
        for cpu in 0..<16 {
            for mode in ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"] {
                let step: UInt64 = mode == "idle" ? 1500 : mode == "user" || mode == "system" ? 90 : 1
                let isStill = mode == "irq" || mode == "steal"
                add(
                    "node_cpu_seconds_total", [("cpu", "\(cpu)"), ("mode", mode)],
                    isStill
                        ? .constant(0)
                        : .seconds(start: Double(random.next() % 100_000_000), step: step, unit: .hundredths))
            }
            add("node_cpu_scaling_frequency_hertz", [("cpu", "\(cpu)")], .gauge(base: 2.4e9, spread: 1_000_000))
            add(
                "node_schedstat_running_seconds_total", [("cpu", "\(cpu)")],
                .seconds(start: start() * 1000, step: 2_000_000_000, unit: .nanoseconds))
            add("node_softnet_processed_total", [("cpu", "\(cpu)")], .counter(start: start(), step: 900))
            add("node_softnet_dropped_total", [("cpu", "\(cpu)")], .constant(0))
        }
        for device in ["eth0", "eth1", "lo", "docker0", "veth1a2b3c4", "veth5d6e7f8", "wlan0", "br-0a1b2c3d4e5f"] {
            let isBusy = device.hasPrefix("eth") || device == "lo"
            for direction in ["receive", "transmit"] {
                for field in ["bytes", "packets", "errs", "drop", "fifo", "compressed", "multicast", "carrier"] {
                    let moves = isBusy && (field == "bytes" || field == "packets")
                    add(
                        "node_network_\(direction)_\(field)_total", [("device", device)],
                        moves ? .counter(start: start(), step: field == "bytes" ? 60_000 : 80) : .constant(0))
                }
            }
            add("node_network_mtu_bytes", [("device", device)], .constant(1500))
            add("node_network_up", [("device", device)], .constant(isBusy ? 1 : 0))
        }
        for disk in ["nvme0n1", "nvme1n1", "sda", "sdb", "dm-0", "dm-1"] {
            for field in [
                "reads_completed", "read_bytes", "writes_completed", "written_bytes", "reads_merged", "writes_merged",
            ] {
                add("node_disk_\(field)_total", [("device", disk)], .counter(start: start(), step: 4000))
            }
            for field in ["io_time_seconds", "read_time_seconds", "write_time_seconds", "discard_time_seconds"] {
                add(
                    "node_disk_\(field)_total", [("device", disk)],
                    .seconds(start: start() / 10, step: 900, unit: .milliseconds))
            }
        }
        for (mount, type) in [
            ("/", "ext4"), ("/boot", "ext4"), ("/var/lib/docker", "xfs"), ("/run", "tmpfs"), ("/srv/data", "xfs"),
        ] {
            for field in ["avail_bytes", "free_bytes", "size_bytes", "files", "files_free", "readonly", "device_error"]
            {
                let labels = [("device", "/dev/mapper/vg0-\(type)"), ("fstype", type), ("mountpoint", mount)]
                let moves = field.hasSuffix("free") || field == "avail_bytes" || field == "free_bytes"
                add(
                    "node_filesystem_\(field)", labels,
                    moves ? .gauge(base: 4e10, spread: 4096 * 50) : .constant(start()))
            }
        }
        for field in 0..<52 {
            add(
                "node_memory_field\(field)_bytes", [],
                field % 2 == 0 ? .gauge(base: 4e9, spread: 1 << 22) : .constant(start()))
        }
        for field in 0..<120 {
            add(
                "node_netstat_field\(field)", [],
                field % 3 == 0 ? .counter(start: start(), step: 300) : .constant(Double(field)))
        }
        for sensor in 0..<24 {
            add(
                "node_hwmon_temp_celsius", [("chip", "platform_coretemp_0"), ("sensor", "temp\(sensor)")],
                .gauge(base: 45, spread: 6))
        }
        for collector in 0..<45 {
            let labels = [("collector", "collector\(collector)")]
            add(
                "node_scrape_collector_duration_seconds", labels,
                .parts(base: 10_000 + random.next() % 500_000, spread: 200_000, unit: .nanoseconds))
            add("node_scrape_collector_success", labels, .constant(1))
        }
        for what in ["cpu_waiting", "io_stalled", "io_waiting", "irq_stalled", "memory_stalled", "memory_waiting"] {
            add(
                "node_pressure_\(what)_seconds_total", [],
                .seconds(start: start() * 100, step: 400_000, unit: .microseconds))
        }
        for field in 0..<160 {
            add(
                "node_vmstat_field\(field)", [],
                field % 4 == 0 ? .counter(start: start(), step: 700) : .constant(start()))
        }
        for minutes in [1, 5, 15] { add("node_load\(minutes)", [], .parts(base: 180, spread: 40, unit: .hundredths)) }
        for unit in 0..<110 {
            let labels = [("name", "service-\(unit).service"), ("state", "active"), ("type", "notify")]
            add("node_systemd_unit_state", labels, .constant(1))
        }
        add("node_boot_time_seconds", [], .constant(start()))
        add("node_time_seconds", [], .noise)
        add("node_timex_offset_seconds", [], .noise)
        add("up", [], .constant(1))
    }
}

/// The generator's chance: the same series and values in every run. SplitMix64.
struct BenchRandom {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
