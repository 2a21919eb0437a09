import WALStore

/// Looking into a backup, for `backup --verify` and `restore`.
struct BackupCheck {
    private let directory: String
    private let tenants: [String]

    struct Fault {
        var tenant: String
        var reason: String
    }

    /// - Parameter tenants: empty: all that are in it.
    init(_ directory: String, _ tenants: [String]) {
        self.directory = directory
        self.tenants = tenants
    }

    func open() throws(CommandFailure) -> (reader: BackupReader, spools: [BackupManifest.Spool]) {
        let reader: BackupReader
        do throws(SpoolError) { reader = try BackupReader(directory) } catch { throw CommandFailure(error.description) }
        let known = reader.manifest.spools.map(\.tenant)
        for tenant in tenants where !known.contains(tenant) {
            let missing = reader.manifest.missing.first { $0.tenant == tenant }
            throw CommandFailure(
                "tenant \(tenant) is not in this backup"
                    + (missing.map { ": \($0.reason)" } ?? "; it has \(known.joined(separator: ", "))"))
        }
        return (reader, reader.manifest.spools.filter { tenants.isEmpty || tenants.contains($0.tenant) })
    }

    /// What is wrong with the files: each is read whole.
    func faults(_ reader: BackupReader, _ spools: [BackupManifest.Spool]) -> [Fault] {
        spools.compactMap { spool in
            do throws(SpoolError) {
                try reader.verify(spool)
                return nil
            } catch {
                return Fault(tenant: spool.tenant, reason: error.description)
            }
        }
    }

    func summary(_ manifest: BackupManifest) -> String {
        "made at \(manifest.madeAt) on \(manifest.node) by holdfast \(manifest.programVersion)"
    }

    func failure(_ faults: [Fault], _ consequence: String = "") -> CommandFailure {
        CommandFailure(
            "\(directory) cannot be used as it is\(consequence):"
                + faults.map { "\n  \($0.tenant): \($0.reason)" }.joined())
    }
}
