/// `holdfast bench`: how fast, how heavy, on this machine.
struct BenchCommand: Command {
    static let help = CommandHelp(
        name: "bench", summary: "Measure ingest, delivery, the whole path, or all of it beside others.",
        arguments: "ingest|deliver|path|compare|counted",
        discussion: """
            Sends series like those of node exporters as remote write 1.0, encoded before the clock starts, and prints
            samples/s, acknowledgement times, CPU seconds per million samples, RSS, and bytes on disk per sample.

              ingest   Requests in while the backend is down: how fast they are acknowledged.
              deliver  The backlog out, after the backend has come back.
              path     In and out at the same time.
              compare  Holdfast beside other forwarders on this machine, with the same requests, in rounds of phases:
                       outage, path, far (round trips of 100 ms), steady (100,000 samples/s), flash (the same with
                       commit_linger 1s), idle, repack. With those found on the PATH (vmagent, prometheus as an
                       agent), or with those that --peer names. Medians, ratios within rounds, and what each target
                       asks.
              counted  One step (--step decode, merge, encode, open, send, commit, drain, redrain) a number of times
                       (--times), one thing after the other and always on the same data: for callgrind. ops/counted
                       makes figures of it.

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
            CommandHelp.Option(
                name: "--scrapes", value: "N", text: "How often every series is sent (100; compare 500)."),
            CommandHelp.Option(
                name: "--rate", value: "N",
                text: "Samples a second; without it, as fast as it goes; of compare's steady load (100000)."),
            CommandHelp.Option(name: "--sink-port", value: "PORT", text: "Where the backend listens (any port)."),
            CommandHelp.Option(name: "--round-trip", value: "MS", text: "Wait of the backend before each answer (0)."),
            CommandHelp.Option(
                name: "--peer", value: "KIND=PATH",
                text: "compare: a program, instead of those found; holdfast, vmagent or prometheus. Repeatable."),
            CommandHelp.Option(name: "--rounds", value: "N", text: "compare: how often all is measured (3)."),
            CommandHelp.Option(name: "--only", value: "PHASE", text: "compare: this phase. Repeatable."),
            CommandHelp.Option(name: "--step", value: "STEP", text: "counted: what is done."),
            CommandHelp.Option(name: "--times", value: "N", text: "counted: how often (1); 0: all but that."),
            CommandHelp.jsonOption,
        ],
        examples: [
            CommandHelp.Example(command: "holdfast bench ingest", text: "A node of its own, its backend down"),
            CommandHelp.Example(
                command: "holdfast bench path --rate 100000 --scrapes 300", text: "Latency at a steady load, 60 s"),
            CommandHelp.Example(
                command: "holdfast bench ingest --url http://127.0.0.1:8429/api/v1/write --pid 4711",
                text: "Another receiver"),
            CommandHelp.Example(
                command: "holdfast bench compare --peer holdfast=/usr/bin/holdfast --only outage",
                text: "This build and the installed one"),
        ], choices: BenchOptions.Kind.allCases.map(\.rawValue) + ["compare", "counted"])

    private enum Work {
        case run(BenchOptions)
        case compare(CompareOptions)
        case counted(CountedOptions)
    }
    private let work: Work

    init(_ arguments: Arguments) throws(UsageError) {
        if arguments.positionals == ["compare"] {
            work = .compare(try CompareOptions(arguments))
            return
        }
        if arguments.positionals == ["counted"] {
            work = .counted(try CountedOptions(arguments))
            return
        }
        guard arguments.positionals.count == 1, let kind = BenchOptions.Kind(rawValue: arguments.positionals[0]) else {
            throw UsageError("holdfast bench needs one of: ingest, deliver, path, compare, counted")
        }
        work = .run(try BenchOptions(kind, arguments))
    }

    func run() async throws(CommandFailure) {
        let say = { (text: String) in Terminal.printError("\(text)\n") }
        do throws(BenchFailure) {
            switch work {
            case .run(let options):
                let report = try BenchRun(options: options, say: say).run()
                Terminal.print((options.isJSON ? report.json : report.text) + "\n")
            case .compare(let options):
                let report = try CompareRun(options: options, say: say).run()
                if options.isJSON { Terminal.print(json: report.json) } else { Terminal.print(report.text + "\n") }
            case .counted(let options):
                Terminal.print(json: try await CountedRun.json(options))
            }
        } catch {
            throw CommandFailure(error.description)
        }
    }
}
