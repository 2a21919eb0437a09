/// What is known of a chain from elsewhere than its spool.
public struct ChainExpectation: Sendable {
    /// Whose folder the spool lies in; nil for a copy, wherever it lies.
    public var tenant: String?
    /// What was noted of the chain.
    public var anchors: [ChainAnchor]
    /// Times of which nothing is proven are known about, up to this link.
    public var acceptedGaps: Int64
    /// What the node remembers of it.
    var record: ChainRecord?

    public init(tenant: String? = nil, anchors: [ChainAnchor] = [], acceptedGaps: Int64 = 0) {
        self.tenant = tenant
        self.anchors = anchors
        self.acceptedGaps = acceptedGaps
    }
}

/// The chains that a data folder should have, as its node remembers them.
public struct RememberedChains: Sendable {
    private let records: ChainRecords?
    /// Why nothing of it is known, where the file is no proof; nil: it is one, or none was ever written.
    public let problem: String?

    /// Reads the file beside a node, or of one that does not run.
    ///
    /// - Parameter path: nil: in the data folder.
    /// - Throws: `.unavailable` when it is there and cannot be read.
    public init(in directory: String, path: String? = nil, key: ChainKey) throws(AuditError) {
        let path = path ?? DataFolder.chains(in: directory)
        do throws(SpoolError) {
            switch try ChainMemory.read(path, key) {
            case nil: (records, problem) = (nil, nil)
            case .records(let found, _): (records, problem) = (found, nil)
            case .otherKey: (records, problem) = (nil, "\(path) is of chains that were made with another key")
            case .altered: (records, problem) = (nil, "\(path) is not as the node wrote it")
            }
        } catch { throw AuditError(.unavailable, error.description) }
    }

    /// Tenants whose spools have a chain, by name.
    public var tenants: [String] { records?.byTenant.keys.sorted() ?? [] }

    /// Adds what is remembered of a tenant's chain.
    public func expect(_ expected: ChainExpectation, of tenant: String) -> ChainExpectation {
        var expected = expected
        expected.tenant = tenant
        expected.record = records?.byTenant[tenant]
        return expected
    }

    /// The answer for a tenant whose spool is not there; nil where nothing says that it had a chain.
    ///
    /// - Parameter isNoted: there is an anchor of it.
    public func missing(_ tenant: String, isNoted: Bool = false) -> ChainAnswer? {
        let record = records?.byTenant[tenant]
        guard record != nil || isNoted else { return nil }
        let source = record.map { "the node remembers a chain since \(UTC.text($0.wall))" } ?? "an anchor was noted"
        var answer = ChainAnswer()
        answer.tenant = tenant
        answer.findings = [
            ChainFinding(kind: .removed, table: "spool", row: nil, text: "\(source), and the tenant has no spool")
        ]
        return answer
    }
}
