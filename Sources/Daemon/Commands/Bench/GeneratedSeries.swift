import Metrics

/// Series like those of many node exporters, and how each moves from scrape to scrape.
///
/// The names, labels and behaviours follow what a node exporter shows: counters of seconds per CPU and mode, byte and
/// packet counters per device, gauges of memory, constants. No two hosts move alike.
struct GeneratedSeries {
    enum Motion {
        /// A value that does not change: limits, flags, information.
        case constant(Double)
        /// Grows by a few whole steps each scrape: packets, bytes, operations.
        case counter(start: Double, step: UInt64)
        /// Grows by hundredths: CPU seconds.
        case seconds(start: Double, step: UInt64)
        /// Whole and wandering: memory bytes.
        case gauge(base: Double, spread: UInt64)
        /// Wandering with many digits: loads, temperatures, ratios.
        case noise
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
                    isStill ? .constant(0) : .seconds(start: Double(random.next() % 100_000_000), step: step))
            }
            add("node_cpu_scaling_frequency_hertz", [("cpu", "\(cpu)")], .gauge(base: 2.4e9, spread: 1_000_000))
            add("node_schedstat_running_seconds_total", [("cpu", "\(cpu)")], .noise)
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
            for field in ["io_time_seconds", "read_time_seconds", "write_time_seconds", "io_time_weighted_seconds"] {
                add("node_disk_\(field)_total", [("device", disk)], .noise)
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
            add("node_hwmon_temp_celsius", [("chip", "platform_coretemp_0"), ("sensor", "temp\(sensor)")], .noise)
        }
        for field in 0..<160 {
            add(
                "node_vmstat_field\(field)", [],
                field % 4 == 0 ? .counter(start: start(), step: 700) : .constant(start()))
        }
        for minutes in [1, 5, 15] { add("node_load\(minutes)", [], .noise) }
        for unit in 0..<110 {
            let labels = [("name", "service-\(unit).service"), ("state", "active"), ("type", "notify")]
            add("node_systemd_unit_state", labels, .constant(1))
        }
        add("node_boot_time_seconds", [], .constant(start()))
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
