extension Spool {
    /// The chain's part of a transaction's end, before the row of `spool` is written.
    func finishChain(_ database: Database) throws(SQLiteError) {
        try database.connection.chain?.finish(
            version: ledger.version, wall: clock.wall, at: clock.at, environment.chainRules,
            beginning: isBeingSalvaged ? .salvaged : nil)
    }

    /// The transaction is committed, and what it made of the chain.
    func keepChain(_ database: Database) {
        guard let chain = database.connection.chain else { return }
        chain.keep()
        for event in chain.takeNews() {
            var event = event
            event.metadata["tenant"] = tenant
            environment.events(event)
        }
    }

    /// A spool that has a chain, on a node without a key, goes on; the transaction that says so is the first that the
    /// chain does not cover.
    func noteStoppedChain() throws(SpoolError) {
        guard configuration.chain == nil else { return }
        let connection = try openDatabase().connection
        let claim = try checked { () throws(SQLiteError) in
            try Statement("SELECT chain_state FROM spool", on: connection)
                .first { row in ChainState.claim(of: row.withBlob(0) { Array($0) }) } ?? nil
        }
        guard let claim, claim.version == ledger.version else { return }
        try transact { (database) throws(SpoolError) in
            try record(
                event: "chain_stopped", "no key: nothing after ledger version \(claim.version) is proven", database)
        }
        raise(
            .warning,
            "a spool has a chain, and the config has no key for it: what is written from here on is not proven",
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
