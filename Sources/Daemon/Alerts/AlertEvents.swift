import Forwarder

/// Events that are alerts, by their words. Most of what can be wrong is a state, and looked at; these leave none behind that
/// could be.
enum AlertEvents {
    struct Meaning: Sendable {
        var name: String
        var severity: Alert.Severity
    }

    private static let damaged = Meaning(name: "HoldfastSpoolDamaged", severity: .critical)
    private static let chain = Meaning(name: "HoldfastChainAnomaly", severity: .critical)
    private static let full = Meaning(name: "HoldfastDiskFull", severity: .critical)

    static let meanings: [String: Meaning] = [
        "a spool was set aside and a fresh one opened": damaged,
        "a spool turned out to be damaged; it is set aside and carried over": damaged,
        "a spool cannot go on after input/output errors": damaged,
        "something in a spool's place was moved aside": damaged,
        "the log of a spool is damaged, and commits lie behind the damage": damaged,
        "the log of a spool is not beside its database": damaged,
        "the log of a spool is missing: what was only in it is lost": damaged,
        "a stored block cannot be read; its points are lost": damaged,
        "a spool's files were moved, deleted or cut while it was open": damaged,
        "the salvage of a spool has ended": Meaning(name: "HoldfastSpoolSalvaged", severity: .warning),
        "rows of a spool were not as the node had written them when it changed or deleted them": chain,
        "a spool has no chain, and the node remembers one: it was taken off, or the spool is another one": chain,
        "a spool's chain does not hold: it begins again": chain,
        "a spool was written without the key of its chain: the chain begins again": chain,
        "a spool has a chain that the node did not remember: what it remembers was removed, or not written": chain,
        "a spool has a chain, and the config has no key for it: what is written from here on is not proven": chain,
        "a spool's chain was made with another key than the config has: what is written from here on is not proven":
            chain,
        "what is remembered of the chains is not as the node wrote it: it is moved aside, and begins anew": chain,
        "what is remembered of the chains cannot be read": chain,
        "the chains of this node were made with another key than the config has: they are left alone, and nothing that is written is proven":
            chain,
        "the disk is full: the ballast was released": full,
        "the node's budget is used up: the ballast was released": full,
        "the wall clock stepped: nothing is deleted for its age for an hour": Meaning(
            name: "HoldfastClockStepped", severity: .warning),
        "a backup has ended": Meaning(name: "HoldfastBackupFailed", severity: .warning),
    ]
}
