/// The end of a chain behind all that was committed before it was asked for.
public struct ChainSeal: Sendable, Hashable {
    /// Links, and the head of the last one.
    public var status: ChainStatus
    /// Of this life of the chain, drawn when it began: tells apart chains of equal tenants on several nodes.
    public var life: UInt32
}

extension Spool {
    /// Makes a link, where the last one does not tell of all that is committed.
    ///
    /// It waits for room as new points do: an anchor is no reason to give the node's ballast back.
    ///
    /// - Returns: nil without a chain.
    func sealChain() throws(SpoolError) -> ChainSeal? {
        guard let chain = try openDatabase().connection.chain else { return nil }
        if chain.kept.map({ $0.work.changes > 0 }) ?? true {
            try transact(storesPoints: true) { (database) throws(SpoolError) in
                database.connection.chain?.isSealAsked = true
            }
        }
        return database?.connection.chain?.kept.map { state in
            ChainSeal(status: ChainStatus(length: state.length, head: state.head.text), life: state.life)
        }
    }
}
