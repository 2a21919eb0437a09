import Metrics
import TestSupport
import WALStore

@testable import Forwarder

/// A backend that is sent increments: its body has a line `<series> <second> <sum of the second>` for each point, and what
/// comes later for a second takes the place of what came before, as at Datadog.
struct IncrementBackend: Backend {
    static let type = "increments"

    var url = ""
    var traits = BackendTraits(keepsOrder: true, maximumPoints: 50, maximumBodyBytes: 1 << 20, takesIncrements: true)

    init(name: String, settings: Settings) throws(SettingsError) { url = try settings.required("url") }
    init(url: String) { self.url = url }

    private static func key(_ chunk: Chunk, _ run: LeasedRun, _ ordinal: Int) -> CounterKey {
        var scratch: [UInt8] = []
        let batch = chunk.pieces[run.piece].batch
        return CounterKey(series: batch.key(ofSeries: batch.points.series[ordinal], scratch: &scratch))
    }

    func counterKeys(of chunk: Chunk) -> [CounterKey] {
        Array(Set(chunk.runs.flatMap { run in run.ordinals.map { Self.key(chunk, run, $0) } }))
    }

    func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        var book = chunk.counters
        for run in chunk.runs {
            let points = chunk.pieces[run.piece].batch.points
            for ordinal in run.ordinals {
                let key = Self.key(chunk, run, ordinal)
                let time = points.times[ordinal]
                switch book.read(key, value: Double(bitPattern: points.bits[ordinal]), time: time) {
                case .first: request.exclude(piece: run.piece, ordinal: ordinal, reason: "counter_first")
                case .passed: request.exclude(piece: run.piece, ordinal: ordinal, reason: "counter_passed")
                case .increment(_, _, let windowSum):
                    request.body += Array("\(key.series.low) \(time / 1_000_000_000) \(windowSum)\n".utf8)
                    request.points += 1
                }
            }
        }
        request.counters = book
        request.rawBytes = request.body.count
    }

    func send(_ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport) async -> Answer {
        await transport.perform(HTTPRequest(.post, url, body: request.body))
    }

    func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        LineBackend(url: url).outcome(of: answer, to: request)
    }
}

/// What a server knows that was sent by an `IncrementBackend`.
struct IncrementTable {
    private var sums: [String: Double] = [:]

    mutating func take(_ request: HTTPTestServer.Request) {
        for line in request.text.split(separator: "\n") {
            let words = line.split(separator: " ")
            sums["\(words[0]) \(words[1])"] = Double(words[2])
        }
    }

    /// Over all series and seconds.
    var total: Double { sums.values.reduce(0, +) }
}
