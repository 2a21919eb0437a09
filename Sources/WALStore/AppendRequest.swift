import Metrics

/// One accepted request on its way into the spool.
public struct AppendRequest: Sendable {
    public var decoded: DecodedRequest
    /// Which ingest took it, as in the config: `prometheus_remote_write`, `influx`, `json`, `scrape`.
    public var source: String
    /// The sender's address, or the scraped target.
    public var peer: String
    /// `X-Request-Id`, taken or made. Not unique.
    public var requestID: String
    /// W3C `traceparent`, when the sender gave one.
    public var traceParent: String?
    /// Bytes of the body as it came over the wire.
    public var bodyBytes: Int
    /// The body as it came, for backends that take it on as it is; only of one that is `isVerbatim`.
    public var body: [UInt8]?
    /// What a later sending of it is known by; nil: each sending is a request of its own.
    public var mark: RequestMark?

    public init(
        decoded: DecodedRequest, source: String, peer: String, requestID: String, traceParent: String? = nil,
        bodyBytes: Int, body: [UInt8]? = nil, mark: RequestMark? = nil
    ) {
        self.decoded = decoded
        self.source = source
        self.peer = peer
        self.requestID = requestID
        self.traceParent = traceParent
        self.bodyBytes = bodyBytes
        self.body = body
        self.mark = mark
    }
}

/// What a success answer stands on: the request is committed and fsynced.
public struct AppendReceipt: Sendable, Hashable {
    /// Where its points are: more than one piece when a large request became several rows; empty when it had none.
    public var places: [PlaceRange]
    public var storedPoints: Int
    public var refusedPoints: Int
    /// Points a `drop_newest` policy turned into a loss row.
    public var droppedPoints: Int
    /// It was committed before, and nothing new is stored: the counts are those of the first sending, the places are not kept.
    public var isRepeat = false

    public init(places: [PlaceRange], storedPoints: Int, refusedPoints: Int, droppedPoints: Int = 0) {
        self.places = places
        self.storedPoints = storedPoints
        self.refusedPoints = refusedPoints
        self.droppedPoints = droppedPoints
    }
}
