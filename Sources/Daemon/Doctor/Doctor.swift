import Glibc
import Metrics
import WALStore

/// Looks at what a node stands on and says what to do about it. It opens no spool that a daemon has.
struct Doctor: Sendable {
    let configuration: Configuration

    func examine() async -> [Finding] {
        var findings = [engine]
        findings += configuration.warnings.map { Finding("config", .warning, $0) }
        findings += chain()
        findings += folder()
        findings.append(clock)
        findings.append(descriptors)
        findings += await daemon()
        return findings
    }

    private var engine: Finding {
        guard StorageEngine.hasWALResetBug else { return Finding("sqlite", .ok, "SQLite \(StorageEngine.version)") }
        return Finding(
            "sqlite", .note, "SQLite \(StorageEngine.version) has the WAL-reset bug (fixed in 3.51.3, 3.50.7, 3.44.6)",
            advice: "The node is safe from it: one connection writes. Open its files from outside with mode=ro only.")
    }

    // MARK: The key of the chains

    private func chain() -> [Finding] {
        guard let file = configuration.chain.keyFile else { return [] }
        guard StorageEngine.canKeepChains else {
            return [
                Finding(
                    "chain", .error, "SQLite \(StorageEngine.version) was built without the preupdate hook",
                    advice: "No spool opens with chain.key_file: leave it out, or use Debian's library.")
            ]
        }
        // That it cannot be read is a warning of the config.
        guard let key = configuration.chain.key else { return [] }
        if let others = ChainKeyFile.openTo(file) {
            return [
                Finding(
                    "chain", .error,
                    "\(file) is open to \(others): who has the key can make what no `audit verify` finds",
                    advice: "chmod 0600 \(file), and make another key (holdfast audit key).")
            ]
        }
        let folder = PlainPath.of(configuration.dataDirectory) + "/"
        if PlainPath.of(file).hasPrefix(folder) {
            return [
                Finding(
                    "chain", .warning, "\(file) is in the data folder: who takes that has the key too",
                    advice: "Move it, and name its new place in chain.key_file.")
            ]
        }
        return [memory(of: key) ?? Finding("chain", .ok, "\(file) is the key of the chains")]
    }

    /// What is wrong with what the node remembers of its chains; nil: nothing is.
    private func memory(of key: ChainKey) -> Finding? {
        do throws(AuditError) {
            let remembered = try RememberedChains(
                in: configuration.dataDirectory, path: configuration.chain.memoryFile, key: key)
            guard let problem = remembered.problem else { return nil }
            return Finding(
                "chain", .error, "\(problem): nothing that the node writes is proven",
                advice: "Put the key or the file back that was there before, and restart the node.")
        } catch {
            return Finding("chain", .error, error.message, advice: "Give it to the node's user, or mend its disk.")
        }
    }

    // MARK: The data folder

    private func folder() -> [Finding] {
        let path = configuration.dataDirectory
        var named = stat()
        if lstat(path, &named) != 0, errno == ENOENT {
            return [Finding("data_dir", .note, "\(path) does not exist yet; `holdfast run` makes it")]
        }
        // Root may write anywhere, but not where the mount says no.
        if let system = FileSystem.of(path), system.isReadOnly {
            return [readOnly(path, system)] + spools(daemon: nil, mayOpen: false)
        }
        if let fault = SpoolInspection.lookAtFolder(path) { return [Finding("data_dir", fault)] }
        let (lock, daemon) = lock(path)
        let onThePlace = [permissions(path), fileSystem(path), sync(path), space(path), lock]
        let strangers = strangers(path)
        let shared = SpoolInspection.lookAtSharedFiles(path)
        // A file of another user is named once, among all that are.
        let faults = shared.remarks.filter { !$0.isOfAStranger }.map { Finding("data_dir", $0) }
        guard shared.tenantsAreThere else { return onThePlace + strangers + faults }
        return onThePlace + strangers + faults + spools(daemon: daemon, mayOpen: lock.level == .ok)
    }

    private func readOnly(_ path: String, _ system: FileSystem) -> Finding {
        let place = "\(path) is on \(system.type) at \(system.mountPoint)"
        guard system.isStoppedByError else {
            return Finding(
                "data_dir", .error, "\(place), mounted read-only",
                advice: "Look into the kernel's log for why, mend the disk, and remount it "
                    + "(mount -o remount,rw \(system.mountPoint)); a waiting daemon then starts by itself.")
        }
        return Finding(
            "data_dir", .error, "\(place), which the kernel has stopped writing to after an error",
            advice: "Look into its log (dmesg) for why. Then stop the daemon, umount \(system.mountPoint), run fsck on "
                + "its device, mount it again and start the daemon: what was acknowledged is in its spools.")
    }

    /// Files of another owner than the folder's: mostly left by a command that somebody ran as root.
    private func strangers(_ path: String) -> [Finding] {
        guard let owner = Ownership.ofFolder(path) else { return [] }
        let found = Ownership.strangers(in: path, owner: owner)
        guard let first = found.first else { return [] }
        let more = found.count > 1 ? " and \(found.count - 1) more" : ""
        let message = "\(first.path)\(more) belongs to user \(first.owner), \(path) to user \(owner)"
        guard owner == 0 else {
            return [
                Finding(
                    "owner", .error, message,
                    advice: "A daemon that runs as user \(owner) cannot use it: "
                        + "chown \(Ownership.isLink(path) ? "-RH" : "-R") \(owner) \(path)")
            ]
        }
        // Root's daemon may use all of it. It is rather the folder itself that somebody has given to root.
        return [
            Finding(
                "owner", .warning, message,
                advice: "If the daemon runs as user \(first.owner), it can make nothing new there: "
                    + "chown \(first.owner) \(path)")
        ]
    }

    private func permissions(_ path: String) -> Finding {
        var status = stat()
        guard stat(path, &status) == 0 else { return Finding("permissions", .warning, "\(path) cannot be looked at") }
        let mode = status.st_mode & 0o777
        guard mode & 0o077 != 0 else { return Finding("permissions", .ok, "only its owner can enter \(path)") }
        return Finding(
            "permissions", .warning, "others can enter \(path) (mode \(String(mode, radix: 8)))",
            advice: "chmod 0700 \(path)")
    }

    private func fileSystem(_ path: String) -> Finding {
        guard let system = FileSystem.of(path) else {
            return Finding("file_system", .note, "the file system's type cannot be found out")
        }
        let what = "\(path) is on \(system.type), mounted at \(system.mountPoint)"
        switch system.support {
        case .supported: return Finding("file_system", .ok, what)
        case .doubtful(let why):
            return Finding("file_system", .warning, "\(what): \(why)", advice: "Keep data on ext4, xfs or f2fs.")
        case .refused(let why):
            return Finding(
                "file_system", .error, "\(what): \(why)", advice: "Move data_dir to a local ext4, xfs or f2fs.")
        }
    }

    private func sync(_ path: String) -> Finding {
        do throws(FileError) {
            let probe = try SyncProbe.run(in: path)
            let median = Self.milliseconds(probe.medianNanoseconds)
            let p99 = Self.milliseconds(probe.p99Nanoseconds)
            let message = "fdatasync of 4 KiB takes \(median) ms, p99 \(p99) ms"
            guard probe.p99Nanoseconds > 100_000_000 else { return Finding("fsync", .ok, message) }
            return Finding(
                "fsync", .warning, message,
                advice: "Every acknowledgement waits for it: use a faster disk, or set commit_linger to share each one."
            )
        } catch {
            return Finding("fsync", .error, "nothing can be written durably: \(error)")
        }
    }

    private func space(_ path: String) -> Finding {
        let disk: DiskSpace
        do throws(SpoolError) { disk = try DiskSpace.of(path) } catch {
            return Finding("disk", .warning, error.description)
        }
        let reserve = Int64(Double(disk.totalBytes) * configuration.node.freeSpaceReservePercent / 100)
        let message = "\(Amount.bytes(disk.freeBytes)) free of \(Amount.bytes(disk.totalBytes))"
        guard disk.freeBytes > reserve else {
            return Finding(
                "disk", .error, "\(message), under the reserve of \(Amount.bytes(reserve)): new data is refused",
                advice: "Free some space, or lower node.free_space_reserve.")
        }
        if let budget = configuration.node.maximumBytes, budget > disk.freeBytes {
            return Finding(
                "disk", .warning, "\(message); node.max_bytes is \(Amount.bytes(budget))",
                advice: "The disk may fill before the budget does.")
        }
        return Finding("disk", .ok, message)
    }

    private func lock(_ path: String) -> (Finding, daemon: Int?) {
        switch FolderLock.state(of: path) {
        case .none: (Finding("lock", .ok, "no daemon has used this folder yet"), nil)
        case .free: (Finding("lock", .ok, "no daemon holds the data folder"), nil)
        case .held(let process):
            (Finding("lock", .ok, "process \(process.map(String.init) ?? "?") holds the data folder"), process ?? -1)
        case .unknown(let reason):
            (Finding("lock", .note, "whether a daemon holds the data folder cannot be told: \(reason)"), nil)
        }
    }

    // MARK: The machine

    private var clock: Finding {
        let advice = "Run chrony or systemd-timesyncd: points carry times, and ages are counted from them."
        if time(nil) < 1_760_000_000 { return Finding("clock", .error, "the clock is years behind", advice: advice) }
        // Made by systemd-timesyncd when it has set the clock; chrony and ntpd run as what they are called.
        let marks = [
            "/run/systemd/timesync/synchronized", "/run/chrony/chronyd.pid", "/run/chronyd.pid", "/run/ntpd.pid",
        ]
        let isKept = marks.contains { (mark: String) in access(mark, F_OK) == 0 }
        guard isKept else { return Finding("clock", .note, "nothing seems to keep the clock right", advice: advice) }
        return Finding("clock", .ok, "the clock is kept right")
    }

    private var descriptors: Finding {
        let needed = FileLimit.needed(by: configuration)
        let (allowed, whose) = allowedDescriptors()
        let message = "\(allowed) open files allowed \(whose), \(needed) needed at most"
        guard allowed < needed else { return Finding("limits", .ok, message) }
        let isEnough = configuration.tenants.count * FileLimit.ofSpool + 512 < allowed
        return Finding(
            "limits", isEnough ? .note : .warning, message,
            advice: "Raise it (LimitNOFILE= in systemd, ulimit -n), or lower node.open_spools or "
                + "server.limits.connections; the daemon lowers them itself to what fits, and says so.")
    }

    /// Those of the daemon that has the folder; without one, those that one would have which is started from here. It
    /// raises its own limit to the hard one.
    private func allowedDescriptors() -> (Int, String) {
        if case .held(let process?) = FolderLock.state(of: configuration.dataDirectory),
            let allowed = Doctor.hardLimit(of: SystemFile.text("/proc/\(process)/limits"))
        {
            return (allowed, "to the daemon (process \(process))")
        }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return (Int(clamping: limit.rlim_max), "from here")
    }

    /// - Parameter text: of `/proc/PID/limits`: the name in 26 columns, the soft limit, the hard one, the unit.
    static func hardLimit(of text: String?) -> Int? {
        let line = text?.split(separator: "\n").first { $0.hasPrefix("Max open files") }
        let words = line?.split(separator: " ").dropFirst(3)
        guard let word = words?.dropFirst().first else { return nil }
        return word == "unlimited" ? .max : Int(word)
    }

    // MARK: The daemon

    private func daemon() async -> [Finding] {
        let status: JSONValue
        do throws(AdminClient.Failure) {
            status = try await AdminClient(configuration).get("/v1/status")
        } catch {
            switch error {
            case .notRunning:
                if case .held(let process) = FolderLock.state(of: configuration.dataDirectory) {
                    return [
                        Finding(
                            "daemon", .warning,
                            "process \(process.map(String.init) ?? "?") has the data folder and does not answer at "
                                + "\(configuration.adminAddress)",
                            advice: "Its disk may not answer (dmesg), or it listens elsewhere: use its --config.")
                    ]
                }
                return [Finding("daemon", .note, "no daemon answers at \(configuration.adminAddress)")]
            case .forbidden(let refusal):
                return [Finding("daemon", .warning, "it is not known whether a daemon runs: \(refusal)")]
            case .refused(503, let detail):
                return [
                    Finding(
                        "daemon", .error, "the daemon waits: \(detail)",
                        advice: "It starts by itself when that is mended; senders keep what they have until then.")
                ]
            case .refused(let code, let detail):
                return [Finding("daemon", .warning, "the daemon answered \(code): \(detail)")]
            }
        }
        var findings = [Finding("daemon", .ok, "the daemon answers at \(configuration.adminAddress)")]
        findings += Doctor.alertFindings(status["alerts"])
        for tenant in status["tenants"]?.array ?? [] {
            if let problem = tenant["problem"]?.string {
                findings.append(
                    Finding(
                        "spool", .error, "\(tenant["tenant"]?.string ?? "?"): its spool cannot be opened: \(problem)",
                        advice: "Its requests are answered with 503; it is tried again every second."))
            }
            if let seconds = tenant["stalled_seconds"]?.double {
                findings.append(
                    Finding(
                        "spool", .error,
                        "\(tenant["tenant"]?.string ?? "?"): the disk has not answered for "
                            + Amount.duration(seconds: seconds),
                        advice: "Its requests wait, then get 503; others go on. Look at the disk (dmesg, SMART)."))
            }
            if let refusal = tenant["refusal"]?.string, tenant["problem"]?.string == nil {
                findings.append(
                    Finding(
                        "spool", .error, "\(tenant["tenant"]?.string ?? "?"): new points are refused: \(refusal)",
                        advice: "They are answered with 503 and senders keep them. Make room: a larger max_bytes, free "
                            + "space or inodes on the disk, or a backend that takes what waits."))
            }
            if let problem = tenant["salvage_problem"]?.string {
                let name = tenant["tenant"]?.string ?? "?"
                findings.append(
                    Finding(
                        "spool", .error, "\(name): a damaged spool waits to be carried over: \(problem)",
                        advice: "Mostly there is no room for a second copy: free some; it goes on by itself, and "
                            + "nothing is lost meanwhile."))
            }
            for backend in tenant["backends"]?.array ?? [] where backend["state"]?.string == "held" {
                let name = "\(tenant["tenant"]?.string ?? "?")/\(backend["backend"]?.string ?? "?")"
                findings.append(
                    Finding(
                        "delivery", .warning, "\(name) is held: \(backend["reason"]?.string ?? "")",
                        advice: "Nothing is dropped; put right what the backend complains about."))
            }
            for backend in tenant["backends"]?.array ?? []
            where backend["state"]?.string == "detached" && backend["pending_points"]?.int ?? 0 > 0 {
                let name = "\(tenant["tenant"]?.string ?? "?")/\(backend["backend"]?.string ?? "?")"
                findings.append(Finding("delivery", .warning, "\(name): \(backend["reason"]?.string ?? "")"))
            }
        }
        return findings
    }

    private static func milliseconds(_ nanoseconds: Int64) -> String {
        "\(Double(nanoseconds / 10_000) / 100)"
    }
}
