import Glibc
import WALStore

/// Which spools a question is put to: those of named tenants, all, the only one there is, or a copied file.
struct SpoolChoice: Sendable {
    static let options = [
        CommandHelp.Option(name: "--tenant", value: "ID", text: "The tenant to ask. Default: the only one."),
        CommandHelp.Option(name: "--all", value: nil, text: "Ask every tenant, one after the other."),
        CommandHelp.Option(name: "--file", value: "PATH", text: "Ask a copied spool, such as one of a backup."),
    ]

    private let options: ConfigurationOptions
    private let tenants: [String]
    private let asksAll: Bool
    private let file: String?

    init(_ arguments: Arguments) throws(UsageError) {
        options = ConfigurationOptions(arguments)
        tenants = arguments.all("--tenant")
        asksAll = arguments.flag("--all")
        file = arguments.value("--file")
        guard file == nil || (tenants.isEmpty && !asksAll) else {
            throw UsageError("--file is one spool: --tenant and --all are for a data folder")
        }
        guard tenants.isEmpty || !asksAll else { throw UsageError("--all is every tenant: it goes without --tenant") }
    }

    /// Whether an answer has to say whose it is.
    var isOfMany: Bool { asksAll || tenants.count > 1 }

    /// - Parameter remembered: tenants of a data folder that should have a spool, whether or not they do.
    func spools(
        remembered: (Configuration) throws(CommandFailure) -> [String] = { _ in [] }
    ) throws(CommandFailure) -> [SqlSpool] {
        if let file { return [.file(file)] }
        let configuration = try options.loadForData()
        let directory = configuration.dataDirectory
        let known = Set(AuditFile.tenants(in: directory)).union(try remembered(configuration)).sorted()
        guard !known.isEmpty else {
            if let refusal = StoppedData.refusal("\(directory)/tenants", R_OK | X_OK) { throw refusal }
            throw CommandFailure("\(directory) has no spool")
        }
        try StoppedData.checkOwner(directory)
        if asksAll { return known.map { .tenant($0, directory) } }
        if tenants.isEmpty {
            guard known.count == 1 else {
                throw CommandFailure("which tenant? --tenant with one of \(known.joined(separator: ", ")), or --all")
            }
            return [.tenant(known[0], directory)]
        }
        return tenants.map { .tenant($0, directory) }
    }
}

extension AuditLimits {
    static let option = CommandHelp.Option(
        name: "--timeout", value: "DURATION", text: "End a question after this time, up to 1h. Default: 30s.")
}

extension Arguments {
    func auditLimits() throws(UsageError) -> AuditLimits {
        var limits = AuditLimits()
        if let time = try duration("--timeout") {
            guard time > .zero, time <= .seconds(3600) else { throw UsageError("--timeout is from 1ms to 1h") }
            limits.time = time
        }
        return limits
    }
}
