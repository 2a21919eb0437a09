import Metrics
import Synchronization

/// A remote-write receiver that remembers every point it read, and in which order: the far end of a bad network.
///
/// Points are known by their value: a whole number that no other point of the test has.
public final class PointServer: Sendable {
    public struct Arrival: Sendable {
        /// By series, in the order they stood in the request.
        public var values: [Int]
        public var attempt: Int
    }

    /// What to say to a request with these points; the number is that in `requests`.
    public typealias Judge = @Sendable (_ values: [Int], _ number: Int) -> HTTPTestServer.Action

    public let http: HTTPTestServer
    private let arrivals = Mutex<[Arrival]>([])
    private let unreadable = Mutex<[String]>([])
    private let judge: Mutex<Judge>

    public init(_ judge: @escaping Judge = { _, _ in .reply(204) }) throws {
        self.judge = Mutex(judge)
        http = try HTTPTestServer()
        http.answer { [weak self] request, _ in self?.take(request) ?? .reset }
    }

    public var port: Int { http.port }
    public func stop() { http.stop() }
    public func answer(_ judge: @escaping Judge) { self.judge.withLock { $0 = judge } }

    /// Whole requests read, whatever was said to them.
    public var requests: [Arrival] { arrivals.withLock { $0 } }
    /// Every value that was read whole.
    public var values: Set<Int> { Set(requests.flatMap(\.values)) }
    /// What a sender of ours never sends.
    public var faults: [String] { unreadable.withLock { $0 } }

    private func take(_ request: HTTPTestServer.Request) -> HTTPTestServer.Action {
        do {
            let values = try PointServer.values(in: request.body)
            let attempt = request.headers["retry-attempt"].flatMap { Int($0) } ?? 0
            let number = arrivals.withLock { arrivals in
                arrivals.append(Arrival(values: values, attempt: attempt))
                return arrivals.count - 1
            }
            return judge.withLock { $0 }(values, number)
        } catch {
            unreadable.withLock { $0.append("\(error)") }
            return .reply(500)
        }
    }

    public static func values(in body: [UInt8]) throws -> [Int] {
        let points = try batch(in: body).points
        return (0..<points.count).map { Int(Double(bitPattern: points.bits[$0])) }
    }

    /// What a remote write request of version 1.0 says.
    public static func batch(in body: [UInt8]) throws -> Batch {
        var plain: [UInt8] = []
        try body.withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 64 << 20) }
        var decoder = RemoteWriteDecoder()
        var decoded = DecodedRequest()
        try plain.withUnsafeBytes { try decoder.decode($0, limits: .standard, into: &decoded) }
        return decoded.batch
    }

    /// Series whose points arrived for the first time in another order than that of their values.
    ///
    /// - Parameter known: only these values are looked at: one tenant's.
    public func disordered(series: Int, among known: Set<Int>? = nil) -> [Int] {
        var last: [Int: Int] = [:]
        var seen: Set<Int> = []
        var faults: Set<Int> = []
        for value in requests.flatMap(\.values)
        where known?.contains(value) != false && seen.insert(value).inserted {
            if let before = last[value % series], before > value { faults.insert(value % series) }
            last[value % series] = value
        }
        return faults.sorted()
    }
}
