/// Something that is not as the node has written it.
public struct ChainFinding: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A row has other values than it was written with.
        case altered
        /// A row is gone that the node has not deleted.
        case removed
        /// A row is there that the node has not written, or has deleted.
        case inserted
        /// A row stands where another one stood.
        case reordered
        /// The rows are not those of the last commit, and no row by itself shows which.
        case changed
        /// The row of `spool`, which has the state, is not as it was written.
        case state
        /// Links were altered, removed or added.
        case links
        /// A time of which nothing is proven: the node ran without the key.
        case gap
        /// Another link than was noted outside is there, or none.
        case anchor
    }

    public var kind: Kind
    public var table: String
    /// The row's id; nil where that is not known.
    public var row: Int64?
    /// In words: where, when, and what it means.
    public var text: String
}

/// What was noted of a chain outside the spool: its length then, and its head.
public struct ChainAnchor: Sendable, Hashable {
    /// Whose chain; nil: that of the spool that is asked.
    public var tenant: String?
    public var length: Int64
    /// 64 hexadecimal digits.
    public var head: String

    /// `LENGTH:HEAD`; nil for anything else.
    public init?(_ text: some StringProtocol, tenant: String? = nil) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let length = Int64(parts[0]), length > 0, parts[1].utf8.count == 64,
            parts[1].allSatisfy(\.isHexDigit)
        else { return nil }
        self.tenant = tenant
        self.length = length
        head = parts[1].lowercased()
    }
}

/// What a walk over a spool came to.
public struct ChainAnswer: Sendable {
    public var tenant = ""
    /// The end of the chain, to be noted.
    public var status = ChainStatus(length: 0, head: "")
    /// Of the last commit that the chain covers.
    public var version: Int64 = 0
    public var wall: Int64 = 0
    public var findings: [ChainFinding] = []
    /// Beyond `ChainVerifier.maximumFindings`.
    public var unlistedFindings = 0
    /// Rows that are as they were written.
    public var soundRows: Int64 = 0
    /// Rows without a tag, from before the chain: nothing is known of them.
    public var uncoveredRows: Int64 = 0
    /// Rows of epochs whose key is not here.
    public var uncheckedRows: Int64 = 0
    /// Rows of a former life of the chain: each is as it was written, but that none is missing is not proven.
    public var formerRows: Int64 = 0
    public var uncheckedLinks: Int64 = 0
    /// Anchors that were noted of this chain, and those of them that are links of it.
    public var anchors = 0
    public var confirmedAnchors = 0
    /// What is no finding, and should be known.
    public var notes: [String] = []

    public var isSound: Bool { findings.isEmpty && unlistedFindings == 0 }
}
