import Metrics
import WALStore

/// The work of `bench counted`, on one scrape of generated series.
///
/// What is made here goes through every step once before any is counted, so that memory which is kept from one time to
/// the next is there already.
final class CountedWork {
    private let load: BenchLoad
    private let pool = DecodePool()
    private let workspace = BlockWorkspace()
    private var encoder = RemoteWriteEncoder()
    private var plain: [UInt8] = []
    private var body: [UInt8] = []
    private var requests: [DecodedRequest] = []
    private var batch = Batch()
    private var block: [UInt8] = []

    /// Points of a body, as the remote-write backend has them.
    private static let bodyPoints = 10_000

    convenience init() throws(BenchFailure) {
        try self.init(scrapes: 1, samplesPerRequest: 2000)
        batch = merged()
        block = encoded()
        _ = try opened()
        _ = sent()
        _ = try run(.decode)
    }

    private init(scrapes: Int, samplesPerRequest: Int) throws(BenchFailure) {
        load = BenchLoad(
            scrapes: scrapes, series: 20_280, samplesPerRequest: samplesPerRequest, from: 1_790_000_000_000, step: 1000)
        for index in load.bodies.indices { requests.append(try decoded(index)) }
    }

    /// What fills the spool of a drain: two commits a scrape, as a node that is flat out has them.
    static func backlog(scrapes: Int) throws(BenchFailure) -> [AppendRequest] {
        try CountedWork(scrapes: scrapes, samplesPerRequest: 10_140).appends
    }

    /// One time.
    func run(_ step: CountedStep) throws(BenchFailure) -> CountedResult {
        var result = CountedResult(requests: load.bodies.count, samples: load.total)
        switch step {
        case .decode:
            // Given back as after a commit.
            for index in load.bodies.indices { pool.recycle(try decoded(index)) }
        case .merge: result.samples = merged().points.count
        case .encode: result.bytes = encoded().count
        case .open: result.samples = try opened()
        case .send: result.bytes = sent()
        case .commit, .chain, .drain, .redrain: preconditionFailure("a spool of its own does these")
        }
        return result
    }

    /// The requests for a spool, with the sizes of their bodies.
    var appends: [AppendRequest] {
        zip(requests, load.bodies).map { request, body in
            AppendRequest(
                decoded: request, source: RemoteWriteSource.name, peer: "127.0.0.1", requestID: "0123456789abcdef",
                bodyBytes: body.count)
        }
    }

    private func decoded(_ index: Int) throws(BenchFailure) -> DecodedRequest {
        do throws(WireError) {
            return try pool.withContext(reading: load.bodies[index].count) { context throws(WireError) in
                try RemoteWriteSource.decode(load.bodies[index], WireLimits(), context)
                return context.decoded
            }
        } catch {
            throw BenchFailure("the generated load is refused: \(error)")
        }
    }

    private func merged() -> Batch {
        var merged = Batch()
        merged.reserveCapacity(merging: requests.lazy.map(\.batch))
        for request in requests { merged.merge(request.batch) }
        return merged
    }

    private func encoded() -> [UInt8] {
        let origin = OriginRun(sequence: 1, firstOrdinal: 0, count: batch.points.count)
        return Block.encode(batch, origins: [origin], workspace: workspace)
    }

    private func opened() throws(BenchFailure) -> Int {
        let points = block.withUnsafeBytes { bytes in (try? Block.decode(bytes))?.batch.points.count }
        guard let points else { throw BenchFailure("a block does not open") }
        return points
    }

    /// - Returns: the bytes of the bodies.
    private func sent() -> Int {
        var bytes = 0
        for start in stride(from: 0, to: batch.points.count, by: Self.bodyPoints) {
            plain.removeAll(keepingCapacity: true)
            body.removeAll(keepingCapacity: true)
            encoder.append(batch, start..<min(start + Self.bodyPoints, batch.points.count), into: &plain)
            plain.withUnsafeBytes { Snappy.compress($0, into: &body) }
            bytes += body.count
        }
        return bytes
    }
}
