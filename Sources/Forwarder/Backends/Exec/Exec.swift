import Metrics
import WALStore

/// A program of your own, kept running: points go to its standard input, answers come from its standard output
/// (`docs/programs.md` has the protocol, decision 0051 why it is so).
///
/// Own keys: those of `ProgramCommand`, `timeout` of a request, `start_timeout`, `restart_after`, `ordered`.
public struct Exec: Backend {
    public static let type = "exec"
    public let traits: BackendTraits
    public var mayRefuseOldPoints: Bool { true }

    private let program: Program
    private let scratch = ScratchPool { JSONRecordEncoder() }

    public init(name: String, settings: Settings) throws(SettingsError) {
        try self.init(name: name, settings: settings, environment: BackendEnvironment())
    }

    public static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend {
        try Exec(name: name, settings: settings, environment: environment)
    }

    private init(name: String, settings: Settings, environment: BackendEnvironment) throws(SettingsError) {
        let command = try ProgramCommand(settings)
        let timeout = try HTTPEndpoint.positive(settings, "timeout", default: .seconds(30))
        let times = ProgramTimes(
            request: timeout, start: try HTTPEndpoint.positive(settings, "start_timeout", default: .seconds(10)),
            restart: try HTTPEndpoint.positive(settings, "restart_after", default: .seconds(1)))
        // Whether it may see a newer point before an older one, and a point twice, is the program's to say: here in config.
        let isOrdered = try settings.bool("ordered", default: true)
        traits = try BackendTraits(
            keepsOrder: isOrdered, maximumPoints: 5000, maximumBodyBytes: 3 << 20, concurrency: isOrdered ? 1 : 2
        ).overridden(by: settings)
        program = Program(
            name: name, command: command, times: times, concurrency: traits.concurrency, environment: environment)
    }

    // MARK: Out

    /// A line for each point, the same whenever it is encoded. Its place is how a program knows it again.
    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        scratch.withScratch { encoder in
            for run in chunk.runs {
                let piece = chunk.pieces[run.piece]
                encoder.append(piece.batch, run.ordinals, into: &request.body) { ordinal, body in
                    piece.place(of: ordinal).appendMember(to: &body)
                }
                request.points += run.ordinals.count
            }
        }
        request.rawBytes = request.body.count
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        let reply = await program.ask(
            ProgramRequest(tenant: chunk.tenant, points: request.points, attempt: attempt, body: request.body))
        return switch reply {
        case .answer(let answer): .said(answer.outcome(of: chunk.runs))
        case .hold(let reason): .said(.hold(reason: reason))
        case .later(let after, let reason): .said(.retry(after: after, reason: reason))
        case .failure(let failure): .failure(failure)
        }
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        switch answer {
        case .said(let outcome): outcome
        case .failure(let failure): .retry(after: nil, reason: failure.reason)
        case .response(let response): .retry(after: nil, reason: "HTTP \(response.status) from a program")
        }
    }
}
