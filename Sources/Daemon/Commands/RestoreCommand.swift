import Metrics
import WALStore

/// `holdfast restore`: puts the spools of a backup into the data folder of a node that does not run.
struct RestoreCommand: Command {
    static let help = CommandHelp(
        name: "restore", summary: "Put the spools of a backup into the data folder of a stopped node.",
        arguments: "DIR",
        discussion: """
            Everything in the backup is checked before anything is changed: digests, every page, schemas, names. A tenant
            that has a spool is refused; with --replace that spool is renamed, whole, to spool.db.replaced-<date> beside
            the new one, and nothing is deleted. A crash leaves each tenant with the old spool or the new one; the next
            start ends what was begun.

            What was pending when the backup was made is pending again, and may have been sent since: it is sent again, and
            a backend's "already there" then settles it. New points get sequences that were never used.
            """,
        options: ConfigurationOptions.options + [
            CommandHelp.Option(name: "--tenant", value: "ID", text: "Only this one; may be given again. Default: all."),
            CommandHelp.Option(
                name: "--replace", value: nil, text: "Also tenants that have a spool, which is kept aside."),
            CommandHelp.Option(name: "--dry-run", value: nil, text: "Check everything, and change nothing."),
            CommandHelp.jsonOption,
        ],
        examples: [
            CommandHelp.Example(
                command: "holdfast restore /mnt/usb/2026-01-31 --config /etc/holdfast/holdfast.yaml --dry-run",
                text: "What it would do"),
            CommandHelp.Example(
                command: "systemctl stop holdfast && sudo -u holdfast holdfast restore /mnt/usb/2026-01-31 "
                    + "--config /etc/holdfast/holdfast.yaml", text: "On a new machine, or after the disk was changed"),
        ])

    private let directory: String
    private let tenants: [String]
    private let replaces: Bool
    private let isDryRun: Bool
    private let isJSON: Bool
    private let options: ConfigurationOptions

    init(_ arguments: Arguments) throws(UsageError) {
        guard arguments.positionals.count == 1, let directory = arguments.positionals.first else {
            throw UsageError("holdfast restore needs the folder of one backup: holdfast restore DIR")
        }
        self.directory = directory
        options = ConfigurationOptions(arguments)
        tenants = arguments.all("--tenant")
        replaces = arguments.flag("--replace")
        isDryRun = arguments.flag("--dry-run")
        isJSON = arguments.flag("--json")
    }

    func run() async throws(CommandFailure) {
        let configuration = try options.loadForData()
        let check = BackupCheck(directory, tenants)
        let (reader, spools) = try check.open()
        // Before gigabytes are read: a node that runs must be stopped first.
        let target = isDryRun ? nil : try open(configuration)
        let faults = check.faults(reader, spools) + (try obstacles(spools, configuration))
        guard faults.isEmpty else { throw check.failure(faults, "; nothing was changed") }
        if !isJSON {
            Terminal.print("\(check.summary(reader.manifest))\n")
            for missing in reader.manifest.missing where tenants.isEmpty {
                Terminal.print("  not in it: \(missing.tenant) (\(missing.reason))\n")
            }
        }
        guard let target else {
            show(try spools.map { (spool) throws(CommandFailure) in try preview(spool, configuration) }, configuration)
            return tellHolder(configuration)
        }
        try restore(spools, from: reader, to: target, configuration)
    }

    private func open(_ configuration: Configuration) throws(CommandFailure) -> RestoreTarget {
        try StoppedData.checkOwner(configuration.dataDirectory)
        do throws(SpoolError) {
            return try RestoreTarget(configuration.dataDirectory, node: configuration.node)
        } catch {
            guard error.isHeldElsewhere else { throw CommandFailure(error.description) }
            throw CommandFailure("a node must be stopped before its spools are restored: \(error)")
        }
    }

    private func preview(
        _ spool: BackupManifest.Spool, _ configuration: Configuration
    ) throws(CommandFailure) -> Outcome {
        var outcome = Outcome(spool)
        do throws(SpoolError) {
            outcome.replaces = try RestoreTarget.obstacle(to: spool.tenant, in: configuration.dataDirectory)
        } catch {
            throw CommandFailure(error.description)
        }
        return outcome
    }

    /// What would stand in the way of doing it now, and passes.
    private func tellHolder(_ configuration: Configuration) {
        guard case .held(let process) = FolderLock.state(of: configuration.dataDirectory) else { return }
        let holder = process.map { "process \($0)" } ?? "another process"
        Terminal.printError(
            "\(holder) has \(configuration.dataDirectory): the node must be stopped before this is done\n")
    }

    private func obstacles(
        _ spools: [BackupManifest.Spool], _ configuration: Configuration
    ) throws(CommandFailure) -> [BackupCheck.Fault] {
        if replaces { return [] }
        do throws(SpoolError) {
            var faults: [BackupCheck.Fault] = []
            for spool in spools {
                let found = try RestoreTarget.obstacle(to: spool.tenant, in: configuration.dataDirectory)
                guard let found else { continue }
                faults.append(
                    BackupCheck.Fault(tenant: spool.tenant, reason: "\(found); --replace renames it and keeps it"))
            }
            return faults
        } catch {
            throw CommandFailure(error.description)
        }
    }

    // MARK: Doing it

    /// What becomes, or would become, of one tenant.
    fileprivate struct Outcome {
        var spool: BackupManifest.Spool
        var restored: RestoreTarget.Restored?
        /// Of a dry run: what of the tenant is there, which would be renamed and kept.
        var replaces: String?
        init(_ spool: BackupManifest.Spool) { self.spool = spool }
    }

    private func restore(
        _ spools: [BackupManifest.Spool], from reader: BackupReader, to target: RestoreTarget,
        _ configuration: Configuration
    ) throws(CommandFailure) {
        var outcomes: [Outcome] = []
        do throws(SpoolError) {
            try target.checkRoom(for: spools.reduce(0) { $0 + $1.bytes })
            for spool in spools {
                var outcome = Outcome(spool)
                outcome.restored = try target.restore(
                    spool, from: reader, replacing: replaces,
                    chain: configuration.spools.first { $0.tenant == spool.tenant }?.chain)
                outcomes.append(outcome)
            }
        } catch {
            show(outcomes, configuration)
            let left = spools.dropFirst(outcomes.count).map(\.tenant).joined(separator: ", ")
            throw CommandFailure("\(error)\nnot restored: \(left)")
        }
        show(outcomes, configuration)
    }

    private func show(_ outcomes: [Outcome], _ configuration: Configuration) {
        if isJSON {
            return Terminal.print(
                json: .map([
                    "dry_run": .bool(isDryRun), "data_dir": .string(configuration.dataDirectory),
                    "tenants": .array(outcomes.map(\.json)),
                ]))
        }
        let configured = Set(configuration.tenants.map(\.id))
        for outcome in outcomes {
            Terminal.print("\(outcome.spool.tenant): \(outcome.text)\n")
            if !configured.contains(outcome.spool.tenant) {
                Terminal.print("  it is not in the config: its spool waits until it is\n")
            }
        }
    }
}

extension RestoreCommand.Outcome {
    fileprivate var text: String {
        let owed = spool.books.backends.filter { $0.pendingPoints > 0 }.map {
            "\(Amount.count($0.pendingPoints)) pending for \($0.name)"
        }
        let what = owed.isEmpty ? "nothing pending" : owed.joined(separator: ", ")
        guard let restored else {
            let former = replaces.map { "; \($0), which would be renamed and kept" } ?? ""
            return "would be restored, \(Amount.bytes(spool.bytes)), \(what)\(former)"
        }
        let former = restored.replaced.map { "; the former spool is \($0)" } ?? ""
        return "restored, \(Amount.bytes(spool.bytes)), \(what)\(former)"
    }

    fileprivate var json: JSONValue {
        .map([
            "tenant": .string(spool.tenant), "restored": .bool(restored != nil), "bytes": .int(spool.bytes),
            "first_sequence": restored.map { .int($0.firstSequence) },
            "replaces": replaces.map { .string($0) },
            "replaced": restored?.replaced.map { .string($0) },
            "pending": .array(
                spool.books.backends.map {
                    .map(["backend": .string($0.name), "points": .int($0.pendingPoints)])
                }),
        ])
    }
}
