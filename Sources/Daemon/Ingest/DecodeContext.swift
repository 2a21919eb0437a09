import Metrics
import Synchronization

/// The memory that decoding takes, kept from request to request: a request in a steady stream allocates next to nothing.
///
/// `@unchecked`: a context is either in the pool, behind its lock, or with the one caller that took it.
final class DecodeContext: @unchecked Sendable {
    var plain: [UInt8] = []
    var decoded = DecodedRequest()
    var remoteWrite = RemoteWriteDecoder()
    var lineProtocol = LineProtocolDecoder()
    var exposition = ExpositionDecoder()

    /// Larger memory is given back rather than kept: a decoder that read more has tables to match.
    static let keptBytes = 4 << 20
    static let keptPoints = 1 << 16
}

/// Contexts and emptied requests that wait for their next use.
final class DecodePool: Sendable {
    private struct Idle {
        var contexts: [DecodeContext] = []
        var decoded: [DecodedRequest] = []
    }
    private static let kept = 8
    private let idle = Mutex(Idle())

    /// Lends a context for one call, with an empty request in it.
    ///
    /// - Parameter bodyBytes: what the call reads besides `plain`.
    func withContext<Result>(
        reading bodyBytes: Int, _ body: (DecodeContext) throws(WireError) -> Result
    ) throws(WireError) -> Result {
        let context = take()
        defer { putBack(context, bodyBytes) }
        return try body(context)
    }

    private func take() -> DecodeContext {
        let taken = idle.withLock { idle in (idle.contexts.popLast() ?? DecodeContext(), idle.decoded.popLast()) }
        if var decoded = taken.1 {
            // Emptied now and not when it came back: by now the commit has let go of it, so its memory is ours alone.
            decoded.removeAll()
            taken.0.decoded = decoded
        }
        return taken.0
    }

    private func putBack(_ context: DecodeContext, _ bodyBytes: Int) {
        guard max(bodyBytes, context.plain.capacity) <= DecodeContext.keptBytes else { return }
        context.decoded = DecodedRequest()
        idle.withLock { if $0.contexts.count < DecodePool.kept { $0.contexts.append(context) } }
    }

    /// Gives the memory of a committed request to a later one.
    func recycle(_ decoded: DecodedRequest) {
        guard decoded.batch.points.count <= DecodeContext.keptPoints,
            Ingest.memoryBytes(of: decoded) <= DecodeContext.keptBytes
        else { return }
        idle.withLock { if $0.decoded.count < DecodePool.kept { $0.decoded.append(decoded) } }
    }
}
