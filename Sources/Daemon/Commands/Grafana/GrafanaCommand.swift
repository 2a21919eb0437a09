import Forwarder
import Glibc
import Metrics
import WALStore

/// `holdfast grafana`: a folder, a data source, dashboards and alert rules for each tenant.
struct GrafanaCommand: Command {
    static let help = CommandHelp(
        name: "grafana", summary: "Make, compare or remove each tenant's dashboards and alert rules in Grafana.",
        arguments: "apply|diff|destroy",
        discussion: """
            A tenant gets a folder, a data source of Prometheus' kind, a dashboard of its own metrics, one of what Holdfast does
            with them, and alert rules: backlog, dead letters, losses, a held backend, a full spool and more.

            apply makes what is missing and changes what is not as it should be; what is as it should be is not written. Things are
            known by uids that begin with hf- and by a mark; what does not have both is not touched, and is an error where it is in
            the way. diff says what apply would do, and ends with 0 when that is nothing, with 1 when it is something, and with 2
            when it cannot be said. destroy removes what apply made, and the folder when nothing else is in it. It asks before it
            does, or wants --yes.

            Grafana keeps no metrics: a backend of the tenant has to bring them to where the data source asks for them. The rules
            stand on Holdfast's own metrics, which something has to scrape.
            """,
        options: [CommandHelp.configOption]
            + GrafanaAccess.options + [
                CommandHelp.Option(
                    name: "--tenant", value: "ID",
                    text: "For this tenant; may be given again. Default: all of the config.")
            ] + GrafanaDataSource.options + [
                CommandHelp.Option(
                    name: "--editable", value: nil,
                    text: "Rules that can be edited in Grafana; the next apply puts back what was."),
                CommandHelp.Option(name: "--dry-run", value: nil, text: "Say what apply or destroy would do."),
                CommandHelp.Option(name: "--yes", value: nil, text: "Destroy without being asked."),
                CommandHelp.jsonOption,
            ],
        examples: [
            CommandHelp.Example(
                command:
                    "holdfast grafana apply --config /etc/holdfast/holdfast.yaml --url https://grafana.example "
                    + "--token-file /etc/holdfast/grafana.token --data-source-url http://mimir.example/prometheus "
                    + "--tenant-header X-Scope-OrgID",
                text: "All tenants, with their metrics in a Mimir"),
            CommandHelp.Example(
                command:
                    "holdfast grafana diff --config /etc/holdfast/holdfast.yaml --url https://grafana.example "
                    + "--data-source prometheus-main",
                text: "What has changed, with a data source of yours, and the token in \(GrafanaAccess.tokenVariable)"),
            CommandHelp.Example(
                command: "holdfast grafana destroy --url https://grafana.example --tenant acme --yes",
                text: "Remove a tenant that is no longer in the config"),
        ], choices: Verb.allCases.map(\.rawValue))

    enum Verb: String, CaseIterable { case apply, diff, destroy }

    private let verb: Verb
    private let options: ConfigurationOptions
    private let access: GrafanaAccess
    private let sources: GrafanaTenant.Sources
    private let tenants: [String]
    private let isEditable: Bool
    private let renewsSecrets: Bool
    private let isDryRun: Bool
    private let isConfirmed: Bool
    private let isJSON: Bool

    init(_ arguments: Arguments) throws(UsageError) {
        guard let word = arguments.positionals.first, let verb = Verb(rawValue: word) else {
            throw UsageError("holdfast grafana needs one of apply, diff and destroy")
        }
        guard arguments.positionals.count == 1 else {
            throw UsageError("holdfast grafana \(word) takes no argument \"\(arguments.positionals[1])\"")
        }
        self.verb = verb
        options = ConfigurationOptions(arguments)
        access = try GrafanaAccess(arguments)
        tenants = arguments.all("--tenant")
        for tenant in tenants {
            do throws(SpoolError) { try TenantID.check(tenant) } catch {
                throw UsageError("--tenant: \(error.message)")
            }
        }
        isEditable = arguments.flag("--editable")
        renewsSecrets = arguments.flag("--renew-secrets")
        isDryRun = arguments.flag("--dry-run") || verb == .diff
        isConfirmed = arguments.flag("--yes")
        isJSON = arguments.flag("--json")
        guard verb == .destroy || !isConfirmed else { throw UsageError("--yes is for holdfast grafana destroy") }
        for option in ["--data-source", "--own-data-source"] {
            guard let uid = arguments.value(option), !GrafanaUID.isPlain(uid) else { continue }
            throw UsageError("\(option): \"\(uid)\" is no uid: up to 40 letters, digits, '-' and '_'")
        }
        sources = GrafanaTenant.Sources(
            made: try verb == .destroy ? GrafanaDataSource(url: "") : GrafanaDataSource(arguments),
            named: arguments.value("--data-source"), own: arguments.value("--own-data-source"))
    }

    func run() async throws(CommandFailure) {
        let tenants = try chosen().map { GrafanaTenant(tenant: $0) }
        let transport = HTTPTransport()
        defer { transport.close() }
        var run = GrafanaRun(client: GrafanaClient(access: access, transport: transport))
        run.isDry = isDryRun
        run.editable = isEditable
        run.renewsSecrets = renewsSecrets
        // As diff(1) has it.
        let trouble: Int32 = verb == .diff ? 2 : 1
        do throws(GrafanaFailure) { try await run.check(verb == .destroy ? [] : named(tenants)) } catch {
            throw CommandFailure(error.message, code: trouble)
        }
        if verb == .destroy, !isDryRun, !isConfirmed { try await confirm(run, tenants) }
        let (report, failure) = await results(run, tenants)
        if isJSON {
            Terminal.print(json: report.json)
        } else if failure == nil || !report.results.isEmpty {
            // Without an answer there is nothing to tell, which is not that there is nothing to do.
            Terminal.print(report.text)
        }
        if let failure { throw CommandFailure(failure.message, code: trouble) }
        if report.hasFailed { throw CommandFailure("", code: trouble) }
        if verb == .diff, report.hasWrites { throw CommandFailure("") }
    }

    /// Data sources that must be there before: those of ours are made.
    private func named(_ tenants: [GrafanaTenant]) -> [GrafanaRun.NamedSource] {
        let made = sources.made == nil ? [] : Set(tenants.map(\.dataSource))
        return [("--data-source", sources.named), ("--own-data-source", sources.own)].compactMap { option, uid in
            guard let uid, !made.contains(uid) else { return nil }
            return GrafanaRun.NamedSource(option: option, uid: uid)
        }
    }

    /// - Returns: what was done, also when it ended before its end.
    private func results(
        _ run: GrafanaRun, _ tenants: [GrafanaTenant]
    ) async -> (report: GrafanaReport, failure: GrafanaFailure?) {
        var report = GrafanaReport(isPlan: run.isDry)
        var progress = ProgressLine(isQuiet: isJSON)
        defer { progress.end() }
        let start = ContinuousClock.now
        for (index, tenant) in tenants.enumerated() {
            let elapsed = (ContinuousClock.now - start) / .seconds(1)
            progress.show("\(index + 1) of \(tenants.count) tenants  \(tenant.tenant)", elapsed)
            let objects = tenant.objects(sources)
            do throws(GrafanaFailure) {
                switch verb {
                case .apply, .diff: try await run.apply(tenant, objects, into: &report.results)
                case .destroy: try await run.destroy(tenant, objects, into: &report.results)
                }
            } catch { return (report, error) }
        }
        return (report, nil)
    }

    /// Those of the config; destroy takes also one that is no longer in it.
    private func chosen() throws(CommandFailure) -> [String] {
        if verb == .destroy, !tenants.isEmpty { return tenants }
        let known = try options.load().tenants.map(\.id)
        for tenant in tenants where !known.contains(tenant) {
            let near = Settings.nearest(to: tenant, in: known).map { "; did you mean \"\($0)\"?" } ?? ""
            throw CommandFailure("the config has no tenant \"\(tenant)\"\(near)")
        }
        return tenants.isEmpty ? known : known.filter { tenants.contains($0) }
    }

    private func confirm(_ run: GrafanaRun, _ tenants: [GrafanaTenant]) async throws(CommandFailure) {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw CommandFailure("holdfast grafana destroy: say --yes where nobody can be asked", code: 2)
        }
        var plan = run
        plan.isDry = true
        let (report, failure) = await results(plan, tenants)
        if let failure { throw CommandFailure(failure.message) }
        guard report.hasWrites else { return }
        Terminal.printError(report.text + "Type yes to go on: ")
        guard readLine() == "yes" else { throw CommandFailure("nothing was deleted") }
    }
}
