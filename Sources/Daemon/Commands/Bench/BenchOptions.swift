/// What `holdfast bench` measures, and with how much.
struct BenchOptions {
    enum Kind: String, CaseIterable {
        /// Requests in, the backend down: how fast they are acknowledged.
        case ingest
        /// The backlog out, after the backend came back.
        case deliver
        /// In and out at the same time.
        case path
    }

    var kind = Kind.ingest
    /// Where to send; nil: a node of this very binary is started for the run, in a folder of its own.
    var url: String?
    /// The process to watch, and where its data is; known for a node of our own.
    var pid: Int32?
    var dataFolder: String?
    /// Where the node under test finds its backend (`deliver`, `path`); 0: any port.
    var sinkPort: UInt16 = 0
    var roundTripMilliseconds = 0
    var connections = 8
    var series = 20_280
    var samplesPerRequest = 2000
    var scrapes = 100
    /// Samples a second; 0: as fast as they are answered.
    var rate = 0.0
    var isJSON = false
}

extension BenchOptions {
    /// Bodies are made before the clock starts and held until they are sent.
    static let mostSamples = 50_000_000

    init(_ kind: Kind, _ arguments: Arguments) throws(UsageError) {
        for name in ["--peer", "--rounds", "--only", "--step", "--times"] where arguments.value(name) != nil {
            throw UsageError("\(name) has no use in bench \(kind.rawValue)")
        }
        self.kind = kind
        isJSON = arguments.flag("--json")
        url = arguments.value("--url")
        dataFolder = arguments.value("--data-dir")
        connections = try arguments.int("--connections", default: connections, in: 1...1024)
        series = try arguments.int("--series", default: series, in: 1...10_000_000)
        samplesPerRequest = try arguments.int("--samples", default: samplesPerRequest, in: 1...1_000_000)
        scrapes = try arguments.int("--scrapes", default: scrapes, in: 1...Self.mostSamples)
        rate = Double(try arguments.int("--rate", default: 0, in: 0...1_000_000_000))
        sinkPort = UInt16(try arguments.int("--sink-port", default: 0, in: 0...65_535))
        roundTripMilliseconds = try arguments.int("--round-trip", default: 0, in: 0...60_000)
        let pid = try arguments.int("--pid", default: 0, in: 0...Int(Int32.max))
        self.pid = pid == 0 ? nil : Int32(pid)
        try BenchOptions.check(series: series, scrapes: scrapes)
        try checkTarget()
    }

    static func check(series: Int, scrapes: Int) throws(UsageError) {
        guard series * scrapes <= mostSamples else {
            throw UsageError(
                "--series times --scrapes is \(series * scrapes) samples; \(mostSamples) at most")
        }
    }

    private func checkTarget() throws(UsageError) {
        if let url {
            guard BenchTarget(url) != nil else {
                throw UsageError("--url: \"\(url)\" is not http://ADDRESS:PORT/PATH with an IPv4 address")
            }
            guard kind == .ingest || sinkPort != 0 else {
                throw UsageError("\(kind.rawValue) with --url needs --sink-port: where that node's backend is")
            }
        } else if pid != nil {
            throw UsageError("--pid without --url: the node of the benchmark's own is watched anyway")
        }
    }
}
