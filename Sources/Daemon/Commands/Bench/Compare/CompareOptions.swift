/// What `holdfast bench compare` compares, and with how much.
struct CompareOptions {
    /// Besides this binary.
    var peers: [BenchPeer] = []
    var rounds = 3
    var phases = ComparePhase.allCases
    /// Where the folders of those that are measured are made: the disk that is measured.
    var folder = "."
    var connections = 8
    var series = 20_280
    var samplesPerRequest = 2000
    /// Of a load that is sent as fast as it is answered.
    var scrapes = 500
    /// Samples a second of a steady load, and for how long.
    var rate = 100_000
    var steadySeconds = 20
    /// Of a far backend.
    let roundTripMilliseconds = 100
    var isJSON = false

    /// For the seconds of a steady load.
    func steadyScrapes(of series: Int) -> Int { max(1, rate * steadySeconds / series) }
}

extension CompareOptions {
    init(_ arguments: Arguments) throws(UsageError) {
        for name in ["--url", "--pid", "--sink-port", "--round-trip", "--step", "--times"]
        where arguments.value(name) != nil {
            throw UsageError("\(name) has no use in bench compare")
        }
        isJSON = arguments.flag("--json")
        folder = arguments.value("--data-dir") ?? folder
        connections = try arguments.int("--connections", default: connections, in: 1...1024)
        series = try arguments.int("--series", default: series, in: 1...10_000_000)
        samplesPerRequest = try arguments.int("--samples", default: samplesPerRequest, in: 1...1_000_000)
        scrapes = try arguments.int("--scrapes", default: scrapes, in: 1...BenchOptions.mostSamples)
        rate = try arguments.int("--rate", default: rate, in: 1...BenchOptions.mostSamples / steadySeconds)
        rounds = try arguments.int("--rounds", default: rounds, in: 1...1000)
        try BenchOptions.check(series: series, scrapes: max(scrapes, steadyScrapes(of: series)))
        let names = arguments.all("--only")
        for name in names where ComparePhase(rawValue: name) == nil {
            let known = ComparePhase.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError("--only: \"\(name)\" is none of \(known)")
        }
        if !names.isEmpty { phases = ComparePhase.allCases.filter { names.contains($0.rawValue) } }
        for text in arguments.all("--peer") { peers.append(try BenchPeer(text)) }
        if peers.isEmpty { peers = BenchPeer.installed() }
    }
}

/// A part of a comparison. In each round each of those compared goes through it in turn, in a folder of its own.
enum ComparePhase: String, CaseIterable {
    /// Requests in, the backend down; then the backlog out.
    case outage
    /// In and out at the same time.
    case path
    /// The backlog out, each answer of the backend a round trip later.
    case far
    /// A load at a rate, the backend up.
    case steady
    /// The same with Holdfast's `commit_linger` at its most.
    case flash
    /// One point, and nothing else to do.
    case idle
    /// Requests in, the backend down, and time for Holdfast to merge its rows; then the backlog out.
    case repack

    /// Whether what it measures is Holdfast's alone.
    var isOwn: Bool { self == .flash || self == .repack }
}
