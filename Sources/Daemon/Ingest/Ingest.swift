import Metrics
import Synchronization
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// One request that was taken in or refused, for metrics and logs.
struct IngestRecord: Sendable {
    var source: String
    /// Empty while nobody knows whose it was.
    var tenant: String
    /// 0 for sources that answer nobody (`scrape`); nil for a part of a request that is answered when all of it came.
    var status: Int?
    var storedPoints = 0
    var refusals: [RefusalReason: Int] = [:]
    var bodyBytes = 0
    /// From the end of the body to the answer.
    var nanoseconds: Int64 = 0

    /// What a repeat would have stored was counted when it was.
    mutating func take(_ receipt: AppendReceipt, _ refusals: RefusalTally) {
        guard !receipt.isRepeat else { return }
        storedPoints = receipt.storedPoints
        self.refusals = refusals.points
    }
}

/// What all sources share: who may write, how much memory it may take, and the way into the store.
final class Ingest: Sendable {
    typealias Completion = @Sendable (Result<AppendReceipt, SpoolError>) -> Void
    typealias Append = @Sendable (AppendRequest, _ tenant: String, @escaping Completion) -> Void
    /// What is committed under a name; nil: nothing is known of it.
    typealias Progress =
        @Sendable (
            ResendName, _ tenant: String, @escaping @Sendable (Result<ResendProgress?, SpoolError>) -> Void
        ) -> Void

    /// The settings and what is made of them: one value, replaced whole.
    struct Policy: Sendable {
        var settings: IngestSettings
        var access: AccessTable
        var limits: IngestLimits { settings.limits }
    }
    let gate: IngestGate
    let pool = DecodePool()
    /// Nanoseconds since the epoch: the time of points that come without one.
    let now: @Sendable () -> Int64
    private let append: Append
    let progress: Progress
    private let observe: @Sendable (IngestRecord) -> Void
    private let current: Mutex<Policy>

    init(
        settings: IngestSettings, time: TimeSource = .system, append: @escaping Append,
        progress: @escaping Progress,
        observe: @escaping @Sendable (IngestRecord) -> Void = { _ in }
    ) {
        gate = IngestGate(settings.limits)
        now = time.wall
        self.append = append
        self.progress = progress
        self.observe = observe
        current = Mutex(Policy(settings: settings, access: AccessTable(settings)))
    }

    var policy: Policy { current.withLock { $0 } }
    var routes: [Route] { ingestSources.flatMap { $0.routes(self) } }

    /// Takes effect with the next request; those under way end as they began.
    func apply(_ settings: IngestSettings) {
        let policy = Policy(settings: settings, access: AccessTable(settings))
        current.withLock { $0 = policy }
        gate.apply(settings.limits)
    }

    // MARK: Before the body

    /// Finds out whose request it is and reserves memory for its body.
    ///
    /// - Parameter bodyBytes: what the body will take; nil: what the sender says.
    func admit(
        _ head: RequestHead, source: String, database: String? = nil, allowingParameters: Bool = false,
        bodyBytes: Int? = nil
    ) -> Admission {
        let policy = policy
        let tenant: String
        do throws(AccessTable.Denial) {
            tenant = try policy.access.tenant(
                of: Credential(of: head, allowingParameters: allowingParameters), isLocal: head.peer.isLocal,
                named: head.header("x-scope-orgid"), database: database)
        } catch {
            return .refused(refuse(.denied(error), source: source))
        }
        let ticket = IngestTicket(gate, tenant: tenant, maximumBodyBytes: policy.limits.bodyBytes)
        if let reply = ticket.admit(bodyBytes: bodyBytes ?? head.contentLength ?? 0) {
            return .refused(refuse(reply, source: source, tenant: tenant))
        }
        return .admitted(ticket)
    }

    func refuse(_ reply: Reply, source: String, tenant: String = "") -> Reply {
        observe(IngestRecord(source: source, tenant: tenant, status: reply.status))
        return reply
    }

    // MARK: Into the store

    /// Commits what a body decoded to, then answers.
    ///
    /// - Parameters:
    ///   - body: as it came, where it may be sent on like that.
    ///   - mark: what a later sending of it is known by.
    ///   - reply: what success looks like; it runs after the fsync, on the store's thread.
    func store(
        _ decoded: DecodedRequest, _ arrival: Arrival, body: [UInt8]? = nil, mark: RequestMark? = nil,
        ticket: IngestTicket, responder: Responder,
        reply: @escaping @Sendable (AppendReceipt, RefusalTally) -> Reply
    ) {
        guard ticket.hold(bytes: Ingest.memoryBytes(of: decoded)) else {
            return responder.reply(refuse(IngestTicket.overloaded, source: arrival.source, tenant: ticket.tenant))
        }
        let request = arrival.request(decoded, body: body, mark: mark)
        append(request, ticket.tenant) { [self] result in
            // Held until the commit is over, whoever has answered by then.
            defer { withExtendedLifetime(ticket) {} }
            pool.recycle(decoded)
            let answer: Reply
            var record = arrival.record(tenant: ticket.tenant)
            switch result {
            case .success(let receipt):
                answer = reply(receipt, decoded.refusals)
                record.take(receipt, decoded.refusals)
            case .failure(let error): answer = .failed(error)
            }
            record.status = answer.status
            observe(record)
            responder.reply(answer)
        }
    }

    /// Commits without an answer of its own: a scrape, a slice of a stream.
    ///
    /// - Parameter isPart: of a request that is reported at its end.
    func store(
        _ decoded: DecodedRequest, _ arrival: Arrival, mark: RequestMark? = nil, tenant: String,
        ticket: IngestTicket? = nil, isPart: Bool = false, completion: @escaping Completion
    ) {
        append(arrival.request(decoded, mark: mark), tenant) { [self] result in
            defer { withExtendedLifetime(ticket) {} }
            pool.recycle(decoded)
            var record = arrival.record(tenant: tenant)
            if isPart { record.status = nil }
            if case .success(let receipt) = result { record.take(receipt, decoded.refusals) }
            observe(record)
            completion(result)
        }
    }

    func report(_ record: IngestRecord) { observe(record) }

    /// What a decoded request takes, about: columns, labels, and the tables of what is no scalar.
    static func memoryBytes(of decoded: DecodedRequest) -> Int {
        let batch = decoded.batch
        let strings = batch.strings.reduce(0) { $0 + 32 + $1.count }
        return batch.points.count * 32 + batch.series.count * 64 + batch.series.labelBytes.count + strings
    }
}

/// Where a request came from: what its receipt says.
struct Arrival: Sendable {
    var source: String
    var peer: String
    var requestID: String
    var traceParent: String?
    var bodyBytes: Int
    var startedAt = MonotonicTime.now()

    init(source: String, peer: String, requestID: String, traceParent: String? = nil, bodyBytes: Int) {
        self.source = source
        self.peer = peer
        self.requestID = requestID
        self.traceParent = traceParent
        self.bodyBytes = bodyBytes
    }

    init(_ head: RequestHead, source: String, bodyBytes: Int) {
        self.init(
            source: source, peer: head.peer.text, requestID: head.requestID, traceParent: head.traceParent,
            bodyBytes: bodyBytes)
    }

    func request(_ decoded: DecodedRequest, body: [UInt8]? = nil, mark: RequestMark? = nil) -> AppendRequest {
        AppendRequest(
            decoded: decoded, source: source, peer: peer, requestID: requestID, traceParent: traceParent,
            bodyBytes: bodyBytes, body: body, mark: mark)
    }

    func record(tenant: String) -> IngestRecord {
        IngestRecord(
            source: source, tenant: tenant, status: 0, bodyBytes: bodyBytes,
            nanoseconds: MonotonicTime.now() - startedAt)
    }
}
