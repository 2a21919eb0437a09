import Metrics
import WALStore

/// The points of one request: runs of a lease's pieces, in order.
public struct Chunk: Sendable {
    public var tenant: String
    public var pieces: [LeasedPiece]
    public var runs: [LeasedRun]
    /// Where all pieces share one batch and the request is a share of its series: the ids of those series. The points may
    /// then go out series by series.
    public var series: Range<Int>?
    /// Where running totals stand at the backend: those that it named (`Backend.counterKeys`).
    public var counters = CounterBook()
    public var points: Int { runs.reduce(0) { $0 + $1.ordinals.count } }
    /// Its runs are whole bodies, to be sent on as they came; only for a backend that `takesBodies`.
    public var isOfBodies: Bool { pieces.first.map { !$0.bodies.isEmpty } ?? false }

    public init(tenant: String, pieces: [LeasedPiece], runs: [LeasedRun], series: Range<Int>? = nil) {
        self.tenant = tenant
        self.pieces = pieces
        self.runs = runs
        self.series = series
    }
}

/// One request, encoded: fixed at the first attempt, the same bytes for every retry.
public struct EncodedRequest: Sendable {
    public var body: [UInt8] = []
    /// Size of the body before compression.
    public var rawBytes = 0
    public var points = 0
    /// Whether it is worth cutting when it is too large.
    var isSmallerWithFewerPoints = true
    /// For backends that answer item by item: which points item i carries.
    public var items: [[LeasedRun]] = []
    /// For backends that answer line by line.
    var lines = LineTable()
    /// What its points were read through, where the backend takes increments.
    var counters = CounterBook()
    /// What a gateway has once it has taken the request.
    var pushed: [PushedSample] = []
    /// What comes onto a page with it, or leaves it.
    var exposed: [ExposedPoint] = []
    /// Of a message to a broker: what tells a copy of it apart from another message.
    var messageID = ""
    /// What a remote write answer is held against.
    var remoteWrite = RemoteWriteShape()
    /// Points this backend cannot carry, with the reason to count; they are in no body.
    public var excluded: [(run: LeasedRun, reason: String)] = []
    /// Points that the backend would take and not keep, so that they are dead without being sent; they are in no body.
    public var dead: [(run: LeasedRun, reason: DeadLetterReason)] = []
    /// Time of the oldest point in the body, for backends that keep none beyond an age.
    var earliest = Int64.max

    public init() {}

    /// The points that are in no body.
    var unsentRuns: [LeasedRun] { excluded.map(\.run) + dead.map(\.run) }
    /// What becomes of them.
    var unsent: [Settlement.Part] {
        excluded.map { Settlement.Part($0.run, .excluded(reason: $0.reason)) }
            + dead.map { Settlement.Part($0.run, .dead($0.reason)) }
    }
}

/// What a backend needs and allows. It has defaults of its own; the config overrides what it may.
public struct BackendTraits: Sendable, Hashable {
    /// Order per series matters: of requests that may share a series one is in flight per lane.
    public var keepsOrder: Bool
    public var maximumPoints: Int
    public var maximumBodyBytes: Int
    /// Of a body before compression, where that is limited too.
    public var maximumRawBytes: Int
    /// Requests in flight per tenant where order allows; where it is kept, requests with different series.
    public var concurrency: Int
    /// Requests, and bytes of their bodies as they are sent, to the backend in a second, of all tenants together; nil: as many
    /// as go.
    public var requestsPerSecond: Int?
    public var bytesPerSecond: Int?
    /// It is sent increments of running totals: one request of a tenant at a time, settled before the next is encoded.
    public var takesIncrements: Bool

    public init(
        keepsOrder: Bool, maximumPoints: Int, maximumBodyBytes: Int, maximumRawBytes: Int = .max, concurrency: Int = 1,
        requestsPerSecond: Int? = nil, takesIncrements: Bool = false
    ) {
        self.keepsOrder = keepsOrder
        self.maximumPoints = maximumPoints
        self.maximumBodyBytes = maximumBodyBytes
        self.maximumRawBytes = maximumRawBytes
        self.concurrency = concurrency
        self.requestsPerSecond = requestsPerSecond
        self.takesIncrements = takesIncrements
    }
}

/// A remote system that takes batches. A file or a folder in `Backends/`, a line in `backendTypes`, a test file; the contract
/// suite runs over the list. `docs/backends.md` says how one is written.
public protocol Backend: Sendable {
    /// The config's `type`.
    static var type: String { get }
    /// Reads its own keys; what it does not ask for is an unknown key.
    init(name: String, settings: Settings) throws(SettingsError)
    /// As `init`, for a backend that needs something of the node (`BackendEnvironment.swift` has the default).
    static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend
    var traits: BackendTraits { get }
    /// Where it keeps its files, with `{tenant}` in it: nobody else may write there. nil for a backend that keeps none.
    var folder: String? { get }
    /// Whether each series of `batch` is one of its own at the backend, so that requests with different series may overtake
    /// each other. Asked where order is kept and more than one request may be in flight.
    func keepsSeriesApart(_ batch: Batch) -> Bool
    /// What it does with points that are older than those it has, as its makers say; a sentence for people.
    var oldPoints: String { get }
    /// Whether a point may be refused for coming after newer ones of its series.
    var mayRefuseOldPoints: Bool { get }
    /// Whether the bodies that remote write requests came in may go out as they are, when they say nothing but points.
    var takesBodies: Bool { get }
    /// Which running totals of `chunk` it is going to read through `chunk.counters`; asked where it takes increments.
    func counterKeys(of chunk: Chunk) -> [CounterKey]
    /// Encodes, and compresses, as much of `chunk` as it says: all of it. CPU only.
    func encode(_ chunk: Chunk, into request: inout EncodedRequest)
    /// One attempt. Most backends build an `HTTPRequest` and hand it to `transport`.
    func send(_ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport) async -> Answer
    func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome
}

extension Backend {
    public var folder: String? { nil }
    public func keepsSeriesApart(_ batch: Batch) -> Bool { false }
    public var takesBodies: Bool { false }
    public func counterKeys(of chunk: Chunk) -> [CounterKey] { [] }
    public var mayRefuseOldPoints: Bool { false }
    public var oldPoints: String { "What it does with old points is not known." }
}

/// What came back, or did not.
public enum Answer: Sendable, Equatable {
    case response(HTTPResponse)
    /// No answer: whether the request arrived is told apart, because a refusal means something else afterwards.
    case failure(TransportFailure)
    /// Of a backend that is not HTTP, and knows what its own answer means.
    case said(DeliveryOutcome)

    /// The backend did what was asked of it, down to each point or not.
    var isTaken: Bool {
        switch self {
        case .response(let response): (200..<300).contains(response.status)
        case .failure: false
        case .said(.delivered), .said(.partly): true
        case .said: false
        }
    }
}

public struct HTTPResponse: Sendable, Equatable {
    public var status: Int
    /// Names in lower case.
    public var headers: [String: String]
    /// Bounded by the transport.
    public var body: [UInt8]
    /// The answer was longer than the request's `maximumResponseBytes`: `body` is its beginning.
    public var isCut: Bool
    public init(status: Int, headers: [String: String] = [:], body: [UInt8] = [], isCut: Bool = false) {
        self.status = status
        self.headers = headers
        self.body = body
        self.isCut = isCut
    }
}

public struct TransportFailure: Error, Sendable, Equatable {
    /// True when bytes of the request may have reached the backend: the outcome is unknown.
    public var mayHaveArrived: Bool
    public var reason: String
    public init(mayHaveArrived: Bool, reason: String) {
        self.mayHaveArrived = mayHaveArrived
        self.reason = reason
    }
}
