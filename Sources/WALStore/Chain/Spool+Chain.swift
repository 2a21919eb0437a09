#if canImport(Glibc)
    import Glibc
#endif

extension Spool {
    /// The chain's part of a transaction's end, before the row of `spool` is written.
    func finishChain(_ database: Database) throws(SQLiteError) {
        try database.connection.chain?.finish(
            version: ledger.version, wall: clock.wall, at: clock.at, environment.chainRules,
            beginning: isBeingSalvaged ? .salvaged : nil)
    }

    /// Opens the file; with its chain, where the node's key is that of it.
    ///
    /// Another key would only make of it what neither of the two can prove. Points are taken all the same, as without one.
    func openChained() throws(SpoolError) -> Database {
        let recollection = configuration.chain.flatMap { environment.chainMemory?.recall(tenant, $0) } ?? .nothing
        let key = recollection == .otherKey ? nil : configuration.chain
        let database = try Database(
            path: path, vfs: environment.files.disk.vfs, configuration.durability, account, schema: environment.schema,
            chain: key.map { ($0, tenant) })
        if case .record(let record) = recollection { chainRecord = record }
        return database
    }

    /// Reads where the chain stands.
    func loadChain(_ connection: Connection) throws(SQLiteError) {
        guard let chain = connection.chain else { return }
        try chain.load(remembered: chainRecord)
        // What this process has begun and could not note yet was not found.
        chainFound = chainFound ?? chain.kept?.length ?? 0
    }

    /// Notes outside the file that there is a chain; what does not work is tried again with the next commit.
    private func rememberChain() {
        guard chainRecord == nil, let memory = environment.chainMemory, let key = configuration.chain else { return }
        // Of a first link alone the process may have ended before it was noted.
        let found = chainFound ?? 0
        let record = ChainRecord(tenant: tenant, wall: clock.wall, foundLength: found > 1 ? found : 0)
        // What a power cut may take away is not remembered.
        guard configuration.durability == .full || chainStatus?.length ?? 0 > 1 else { return }
        do throws(SpoolError) { chainRecord = try memory.remember(record, key) } catch { return }
        guard chainRecord == record, record.foundLength > 0 else { return }
        raise(
            .error, "a spool has a chain that the node did not remember: what it remembers was removed, or not written",
            ["chain.length": String(found)])
    }

    /// The transaction is committed, and what it made of the chain.
    func keepChain(_ database: Database) {
        guard let chain = database.connection.chain else { return }
        chain.keep()
        rememberChain()
        for event in chain.takeNews() {
            var event = event
            event.metadata["tenant"] = tenant
            environment.events(event)
        }
    }

    /// The first transaction with another epoch's key says so in the tenant's own events, beside the link.
    func noteNewKey(_ database: Database) throws(SpoolError) {
        guard let (former, epoch) = database.connection.chain?.newEpoch else { return }
        try record(
            event: "chain_key_changed",
            "epoch \(former) to \(epoch): chain.key_file, as user \(geteuid()) has read it at the start", database)
    }

    /// A spool that has a chain, on a node without its key, goes on; the transaction that says so is the first that the
    /// chain does not cover.
    func noteStoppedChain() throws(SpoolError) {
        let connection = try openDatabase().connection
        guard !connection.isChained else { return }
        let claim = try checked { () throws(SQLiteError) in
            try Statement("SELECT chain_state FROM spool", on: connection)
                .first { row in ChainState.claim(of: row.withBlob(0) { Array($0) }) } ?? nil
        }
        guard let claim, claim.version == ledger.version else { return }
        try transact { (database) throws(SpoolError) in
            let why = configuration.chain == nil ? "no key" : "another key"
            try record(
                event: "chain_stopped", "\(why): nothing after ledger version \(claim.version) is proven", database)
        }
        raise(
            configuration.chain == nil ? .warning : .error,
            configuration.chain == nil
                ? "a spool has a chain, and the config has no key for it: what is written from here on is not proven"
                : "a spool's chain was made with another key than the config has: what is written from here on is not proven",
            ["ledger.version": String(claim.version)])
    }

    /// How far the chain goes; nil without one.
    var chainStatus: ChainStatus? {
        database?.connection.chain?.kept.map { ChainStatus(length: $0.length, head: $0.head.text) }
    }
}

/// The end of a spool's chain, to be kept where nobody who can write the spool can.
public struct ChainStatus: Sendable, Hashable, Codable {
    /// Links.
    public var length: Int64
    /// 64 hexadecimal digits.
    public var head: String
}
