import Metrics
import WALStore

/// `holdfast backup`: copies of the spools, of a node that runs or does not.
struct BackupCommand: Command {
    static let help = CommandHelp(
        name: "backup", summary: "Copy the spools into a folder, while the node runs or after it has stopped.",
        arguments: "[DIR]",
        discussion: """
            The running daemon makes the copies, beside its commits: taking in and delivering go on. DIR must not be there
            yet, or be empty, and lie outside the data folder; the daemon's user must be able to write there. It is called
            DIR.partial until it is whole. Everything acknowledged before a tenant's copy ends is in it, with what each
            backend is owed. Without a daemon the command takes the data folder's lock and does the same itself.

            Ctrl-C ends the command, not a backup that the daemon makes: --progress shows it again, --cancel ends it, and
            then nothing of it stays. Exits 1 when a tenant could not be copied; the others are in the backup.
            """,
        options: ConfigurationOptions.options + [
            CommandHelp.Option(name: "--tenant", value: "ID", text: "Only this one; may be given again. Default: all."),
            CommandHelp.Option(
                name: "--rate", value: "SIZE", text: "Bytes a second at most, such as 20MiB. Default: no limit."),
            CommandHelp.Option(name: "--progress", value: nil, text: "Show the daemon's backup until it ends."),
            CommandHelp.Option(name: "--cancel", value: nil, text: "End the daemon's backup."),
            CommandHelp.Option(
                name: "--verify", value: nil,
                text: "Make none: read the whole backup in DIR, and say what is wrong with it."),
            CommandHelp.jsonOption,
        ],
        examples: [
            CommandHelp.Example(
                command: "holdfast backup /mnt/usb/$(date +%F) --config /etc/holdfast/holdfast.yaml",
                text: "Every night, from cron"),
            CommandHelp.Example(
                command: "holdfast backup /mnt/usb/acme --tenant acme --rate 5MiB", text: "One tenant, slowly"),
            CommandHelp.Example(
                command: "holdfast backup --verify /mnt/usb/acme", text: "Whether it could be restored"),
        ])

    private enum Task {
        case make(String), verify(String), progress, cancel
    }

    private let task: Task
    private let tenants: [String]
    private let rate: Int?
    private let isJSON: Bool
    private let options: ConfigurationOptions

    init(_ arguments: Arguments) throws(UsageError) {
        options = ConfigurationOptions(arguments)
        isJSON = arguments.flag("--json")
        tenants = arguments.all("--tenant")
        rate = try arguments.size("--rate")
        let words = arguments.positionals
        let flags = ["--progress", "--cancel", "--verify"].filter(arguments.flag)
        guard flags.count <= 1 else { throw UsageError("\(flags[0]) and \(flags[1]) do not go together") }
        switch (flags.first, words.count) {
        case ("--progress", 0): task = .progress
        case ("--cancel", 0): task = .cancel
        case ("--verify", 1): task = .verify(words[0])
        case (nil, 1): task = .make(words[0])
        case ("--progress", _), ("--cancel", _): throw UsageError("\(flags[0]) takes no folder")
        default: throw UsageError("holdfast backup needs one folder to write to: holdfast backup DIR")
        }
    }

    func run() async throws(CommandFailure) {
        switch task {
        case .verify(let directory): try verify(directory)
        case .progress: try await follow(AdminClient(try options.load()))
        case .cancel:
            let client = AdminClient(try options.load())
            _ = try await asked(client) { () async throws(AdminClient.Failure) in
                try await client.post("/v1/backup/cancel")
            }
            try await follow(client, wasCancelled: true)
        case .make(let directory): try await make(try StoppedData.absolute(directory))
        }
    }

    private func asked(
        _ client: AdminClient, _ body: () async throws(AdminClient.Failure) -> JSONValue
    ) async throws(CommandFailure) -> JSONValue {
        do throws(AdminClient.Failure) { return try await body() } catch {
            throw error.asCommandFailure(client.address)
        }
    }

    // MARK: Making one

    private func make(_ directory: String) async throws(CommandFailure) {
        let configuration = try options.loadForData()
        let client = AdminClient(configuration)
        var request = BackupRequest(directory: directory)
        request.tenants = tenants
        request.bytesPerSecond = rate.map(Int64.init)
        do throws(AdminClient.Failure) {
            _ = try await client.post("/v1/backup", body: request.json)
        } catch {
            guard case .notRunning = error else { throw error.asCommandFailure(client.address) }
            return try await makeOfStopped(request, configuration, client)
        }
        try await follow(client)
    }

    private func makeOfStopped(
        _ request: BackupRequest, _ configuration: Configuration, _ client: AdminClient
    ) async throws(CommandFailure) {
        try StoppedData.checkOwner(configuration.dataDirectory)
        let job: BackupJob
        do throws(SpoolError) {
            job = try BackupJob(request, ofStopped: configuration.dataDirectory, node: configuration.node)
        } catch {
            guard error.isHeldElsewhere else { throw CommandFailure(error.description) }
            throw CommandFailure("\(error), and does not answer at \(client.address): name its --config")
        }
        async let ended = job.run()
        var line = ProgressLine(isQuiet: isJSON)
        while !job.progress.phase.isOver {
            line.show(job.progress.json)
            await BackupCommand.pause()
        }
        line.end()
        try report(await ended.json)
    }

    private static func pause() async { try? await _Concurrency.Task.sleep(for: .milliseconds(200)) }

    /// Until the daemon's backup has ended.
    private func follow(_ client: AdminClient, wasCancelled: Bool = false) async throws(CommandFailure) {
        var line = ProgressLine(isQuiet: isJSON)
        while true {
            let progress = try await asked(client) { () async throws(AdminClient.Failure) in
                try await client.get("/v1/backup")
            }
            if let phase = BackupProgress.Phase(rawValue: progress["phase"]?.string ?? ""), !phase.isOver {
                line.show(progress)
                await BackupCommand.pause()
                continue
            }
            line.end()
            return try report(progress, wasCancelled: wasCancelled)
        }
    }

    /// What came of it. A cancelled backup is a failure of whoever waits for it, not of who cancelled it.
    private func report(_ progress: JSONValue, wasCancelled: Bool = false) throws(CommandFailure) {
        if isJSON { Terminal.print(json: progress) }
        let directory = progress["directory"]?.string ?? ""
        switch BackupProgress.Phase(rawValue: progress["phase"]?.string ?? "") {
        case .cancelled:
            guard wasCancelled else { throw CommandFailure("the backup was cancelled; nothing of it is left") }
            if !isJSON { Terminal.print("the backup was cancelled; nothing of it is left\n") }
        case .done:
            let missing = progress["missing"]?.array ?? []
            if !isJSON {
                let tenants = (progress["tenants_done"]?.int ?? 0) - Int64(missing.count)
                Terminal.print(
                    "\(tenants) \(tenants == 1 ? "tenant" : "tenants"), \(Amount.bytes(progress["copied_bytes"]?.int ?? 0)), "
                        + "in \(Amount.duration(seconds: progress["elapsed_seconds"]?.double ?? 0)): \(directory)\n")
            }
            guard missing.isEmpty else {
                let lines = missing.map { "\n  \($0["tenant"]?.string ?? ""): \($0["reason"]?.string ?? "")" }
                throw CommandFailure("not in the backup:\(lines.joined())")
            }
        default:
            throw CommandFailure("no backup was made: \(progress["error"]?.string ?? "it did not end")")
        }
    }

    // MARK: Looking at one

    private func verify(_ directory: String) throws(CommandFailure) {
        let check = BackupCheck(directory, tenants)
        let backup = try check.open()
        let faults = check.faults(backup.reader, backup.spools)
        if isJSON {
            Terminal.print(
                json: .map([
                    "ok": .bool(faults.isEmpty), "manifest": backup.reader.manifest.json,
                    "faults": .array(
                        faults.map { .map(["tenant": .string($0.tenant), "reason": .string($0.reason)]) }),
                ]))
        } else {
            let bytes = backup.spools.reduce(Int64(0)) { $0 + $1.bytes }
            Terminal.print("\(check.summary(backup.reader.manifest))\n")
            for missing in backup.reader.manifest.missing {
                Terminal.print("  not in it: \(missing.tenant) (\(missing.reason))\n")
            }
            if faults.isEmpty {
                let count = backup.spools.count
                Terminal.print("\(count) \(count == 1 ? "spool" : "spools"), \(Amount.bytes(bytes)): whole and sound\n")
            }
        }
        guard faults.isEmpty else { throw check.failure(faults) }
    }
}
