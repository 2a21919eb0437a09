/// `holdfast bench`: how fast, how heavy, on this machine.
struct BenchCommand: Command {
    static let help = CommandHelp(
        name: "bench", summary: "Measure ingest, delivery, or the whole path.", arguments: "ingest|deliver|path",
        discussion: """
            Sends series like those of node exporters as remote write 1.0, encoded before the clock starts, and prints
            samples/s, acknowledgement times, CPU seconds per million samples, RSS, and bytes on disk per sample.

              ingest   Requests in while the backend is down: how fast they are acknowledged.
              deliver  The backlog out, after the backend has come back.
              path     In and out at the same time.

            Without --url a node of this binary is started for the run, in a folder of its own inside --data-dir (or
            here), with a backend that is part of the benchmark; both are gone afterwards. With --url any remote-write
            receiver is measured; --pid and --data-dir then say what to watch, and for deliver and path it has to send
            to http://127.0.0.1:PORT/api/v1/write with --sink-port PORT.
            """,
        options: [
            CommandHelp.Option(name: "--url", value: "URL", text: "Where to send; http only."),
            CommandHelp.Option(name: "--pid", value: "PID", text: "The process to watch."),
            CommandHelp.Option(name: "--data-dir", value: "DIR", text: "The folder whose size is data."),
            CommandHelp.Option(name: "--connections", value: "N", text: "Keep-alive connections that send (8)."),
            CommandHelp.Option(name: "--series", value: "N", text: "Series in a scrape (20280)."),
            CommandHelp.Option(name: "--samples", value: "N", text: "Samples in a request (2000)."),
            CommandHelp.Option(name: "--scrapes", value: "N", text: "How often every series is sent (100)."),
            CommandHelp.Option(name: "--rate", value: "N", text: "Samples a second; without it, as fast as it goes."),
            CommandHelp.Option(name: "--sink-port", value: "PORT", text: "Where the backend listens (any port)."),
            CommandHelp.Option(name: "--round-trip", value: "MS", text: "Wait of the backend before each answer (0)."),
            CommandHelp.jsonOption,
        ],
        examples: [
            CommandHelp.Example(command: "holdfast bench ingest", text: "A node of its own, its backend down"),
            CommandHelp.Example(
                command: "holdfast bench path --rate 100000 --scrapes 300", text: "Latency at a steady load, 60 s"),
            CommandHelp.Example(
                command: "holdfast bench ingest --url http://127.0.0.1:8429/api/v1/write --pid 4711",
                text: "Another receiver"),
        ], choices: BenchOptions.Kind.allCases.map(\.rawValue))

    /// Bodies are made before the clock starts and held until they are sent.
    private static let mostSamples = 50_000_000

    private var options = BenchOptions()

    init(_ arguments: Arguments) throws(UsageError) {
        guard arguments.positionals.count == 1, let kind = BenchOptions.Kind(rawValue: arguments.positionals[0]) else {
            throw UsageError("holdfast bench needs one of: ingest, deliver, path")
        }
        options.kind = kind
        options.isJSON = arguments.flag("--json")
        options.url = arguments.value("--url")
        options.dataFolder = arguments.value("--data-dir")
        options.connections = try arguments.int("--connections", default: options.connections, in: 1...1024)
        options.series = try arguments.int("--series", default: options.series, in: 1...10_000_000)
        options.samplesPerRequest = try arguments.int(
            "--samples", default: options.samplesPerRequest, in: 1...1_000_000)
        options.scrapes = try arguments.int("--scrapes", default: options.scrapes, in: 1...Self.mostSamples)
        options.rate = Double(try arguments.int("--rate", default: 0, in: 0...1_000_000_000))
        options.sinkPort = UInt16(try arguments.int("--sink-port", default: 0, in: 0...65_535))
        options.roundTripMilliseconds = try arguments.int("--round-trip", default: 0, in: 0...60_000)
        let pid = try arguments.int("--pid", default: 0, in: 0...Int(Int32.max))
        options.pid = pid == 0 ? nil : Int32(pid)
        try check()
    }

    private func check() throws(UsageError) {
        guard options.series * options.scrapes <= Self.mostSamples else {
            throw UsageError(
                "--series times --scrapes is \(options.series * options.scrapes) samples; \(Self.mostSamples) at most")
        }
        if let url = options.url {
            guard BenchTarget(url) != nil else {
                throw UsageError("--url: \"\(url)\" is not http://ADDRESS:PORT/PATH with an IPv4 address")
            }
            guard options.kind == .ingest || options.sinkPort != 0 else {
                throw UsageError("\(options.kind.rawValue) with --url needs --sink-port: where that node's backend is")
            }
        } else if options.pid != nil {
            throw UsageError("--pid without --url: the node of the benchmark's own is watched anyway")
        }
    }

    func run() async throws(CommandFailure) {
        do throws(BenchFailure) {
            let report = try BenchRun(options: options) { Terminal.printError("\($0)\n") }.run()
            Terminal.print((options.isJSON ? report.json : report.text) + "\n")
        } catch {
            throw CommandFailure(error.description)
        }
    }
}
