import Forwarder
import TestSupport

/// Between the node and its backends: requests take their time, arrive or not, and so do the answers, whether or not the
/// process that sent them is still there.
///
/// `@unchecked Sendable`: used on the simulation's one thread only.
final class SimulatedNetwork: @unchecked Sendable {
    private let scheduler: SimulatedScheduler
    private(set) var servers: [SimulatedServer] = []
    private var random: SeededGenerator
    /// Chance of a server in `flaky` mood to behave badly, of a hundred.
    private static let flakiness: UInt64 = 45
    /// Whether servers take points that are older than the newest of their series.
    var takesOldPoints = false
    let counts: SimulationCounts
    /// Hears of every request that arrives, when a run is traced.
    var say: ((String) -> Void)?

    init(_ scheduler: SimulatedScheduler, seed: UInt64, counts: SimulationCounts) {
        self.scheduler = scheduler
        self.counts = counts
        random = SeededGenerator(seed: seed)
    }

    func addServer(type: String) -> SimulatedServer {
        let server = SimulatedServer(number: servers.count, type: type, takesOldPoints: takesOldPoints)
        servers.append(server)
        return server
    }

    func url(of server: SimulatedServer) -> String { "http://server-\(server.number)" }

    /// `@unchecked Sendable`: on the simulation's thread only.
    private final class Exchange: @unchecked Sendable {
        var continuation: UnsafeContinuation<Answer, Never>?
        func end(_ answer: Answer) {
            continuation?.resume(returning: answer)
            continuation = nil
        }
    }

    func perform(_ request: HTTPRequest, life: SimulatedLife) async -> Answer {
        let exchange = Exchange()
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                exchange.continuation = continuation
                send(request, life) { exchange.end($0) }
                if Task.isCancelled { exchange.end(SimulatedNetwork.lost("aborted")) }
            }
        } onCancel: {
            exchange.end(SimulatedNetwork.lost("aborted"))
        }
    }

    private static func lost(_ reason: String) -> Answer {
        .failure(TransportFailure(mayHaveArrived: true, reason: reason))
    }

    private func roll(_ bound: UInt64) -> UInt64 { random.next() % bound }
    private func milliseconds(_ range: Range<UInt64>) -> Int64 {
        Int64(range.lowerBound + roll(UInt64(range.count))) * 1_000_000
    }

    private func send(_ request: HTTPRequest, _ life: SimulatedLife, _ answer: @escaping (Answer) -> Void) {
        let host = request.url.split(separator: "/").dropFirst().first ?? ""
        guard let number = Int(host.dropFirst("server-".count)), servers.indices.contains(number) else {
            return scheduler.fail("a request to nobody: \(request.url)")
        }
        let server = servers[number]
        var mood = server.mood
        if mood == .flaky {
            let moods = SimulatedServer.Mood.allCases.filter { $0 != .flaky }
            mood = roll(100) < SimulatedNetwork.flakiness ? moods[Int(roll(UInt64(moods.count)))] : .well
        }
        counts.add("request.\(mood.rawValue)")
        scheduler.note(request.body)
        let timeout = request.timeout.components.seconds * 1_000_000_000
        switch mood {
        case .refusesConnections:
            scheduler.after(milliseconds(0..<50), life: life) {
                answer(.failure(TransportFailure(mayHaveArrived: false, reason: "connection refused")))
            }
        case .timesOutBefore: scheduler.after(timeout, life: life) { answer(SimulatedNetwork.lost("timed out")) }
        case .timesOutAfter:
            arrive(request, server, .well, after: milliseconds(1..<2000)) { _ in }
            scheduler.after(timeout, life: life) { answer(SimulatedNetwork.lost("timed out")) }
        case .arrivesLate:
            arrive(request, server, .well, after: timeout + milliseconds(1..<60_000)) { _ in }
            scheduler.after(timeout, life: life) { answer(SimulatedNetwork.lost("timed out")) }
        case .resetsBefore:
            scheduler.after(milliseconds(1..<100), life: life) { answer(SimulatedNetwork.lost("reset")) }
        case .resetsAfter:
            arrive(request, server, .well, after: milliseconds(1..<50)) { _ in }
            scheduler.after(milliseconds(50..<100), life: life) { answer(SimulatedNetwork.lost("reset")) }
        default:
            arrive(request, server, mood, after: milliseconds(1..<300)) { [self] reply in
                scheduler.after(milliseconds(1..<300), life: life) { answer(reply) }
            }
        }
    }

    private func arrive(
        _ request: HTTPRequest, _ server: SimulatedServer, _ mood: SimulatedServer.Mood, after delay: Int64,
        _ reply: @escaping (Answer) -> Void
    ) {
        scheduler.after(delay) { [self] in
            guard case .status(let status, let body, let headers) = server.take(request, mood: mood, roll)
            else { return }
            counts.add("answer.\(server.type).\(status)")
            if server.type == "prometheus_remote_write", SimulatedWire.isLiteral(request.body) {
                counts.add("answer_to_bodies.\(status)")
            }
            if let say {
                say("server \(server.number) \(status) \(mood) \(SimulatedWire.summary(of: request, server.type))")
            }
            scheduler.note(UInt64(status))
            reply(.response(HTTPResponse(status: status, headers: headers, body: Array(body.utf8))))
        }
    }
}

/// How often each kind of thing has happened.
final class SimulationCounts: @unchecked Sendable {
    // `@unchecked Sendable`: filled on the simulation's thread, read after its end.
    private(set) var counts: [String: Int] = [:]
    func add(_ kind: String, _ count: Int = 1) { counts[kind, default: 0] += count }
    /// That it has happened at all.
    func note(_ kind: String) { counts[kind] = 1 }
}
