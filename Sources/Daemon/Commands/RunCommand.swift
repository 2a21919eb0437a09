import Glibc
import WALStore

/// `holdfast run`: the node itself.
struct RunCommand: Command {
    static let help = CommandHelp(
        name: "run", summary: "Run the node: take metrics in, keep them, deliver them.", arguments: "[TARGET...]",
        discussion: """
            Without a config it listens on 127.0.0.1:9009, keeps data in ./holdfast-data, and delivers to files of
            line-delimited JSON in ./holdfast-data/archive. It scrapes its own metrics and every TARGET (host:port or a
            URL), so that something real flows at once.

            SIGTERM and SIGINT end it without losing anything: it answers the requests it has, commits, and closes. A
            second one ends it at once; what was acknowledged is safe even then. SIGHUP reloads the config.
            """,
        options: ConfigurationOptions.options,
        examples: [
            CommandHelp.Example(command: "holdfast run", text: "Everything by default"),
            CommandHelp.Example(command: "holdfast run 127.0.0.1:9100", text: "And scrape a node_exporter"),
            CommandHelp.Example(command: "holdfast run --config /etc/holdfast/holdfast.yaml", text: "For real"),
        ])

    private let options: ConfigurationOptions
    private let targets: [String]

    init(_ arguments: Arguments) throws(UsageError) {
        options = ConfigurationOptions(arguments)
        targets = arguments.positionals
    }

    func run() async throws(CommandFailure) {
        let log = Log()
        let overrides = Configuration.Overrides(
            dataDirectory: options.dataDirectory, targets: targets, events: log.sink)
        let configuration: Configuration
        do throws(ConfigurationError) { configuration = try Configuration.load(options.file, overrides) } catch {
            throw CommandFailure(error.description)
        }
        log.configure(configuration.log)
        let requests = SignalWatch.requests()
        let node: Node
        do throws(SpoolError) { node = try Node(configuration, overrides, log: log) } catch {
            // Another daemon is at work there: waiting for its end would help nobody.
            guard !error.isHeldElsewhere || error.isHeldByReader else { throw CommandFailure(error.description) }
            let waiting = WaitingNode(configuration: configuration, overrides: overrides, log: log)
            guard let ready = await waiting.wait(first: error) else {
                log.info("the node has stopped")
                return
            }
            node = ready
        }
        do throws(NodeError) { try await node.start() } catch { throw CommandFailure(error.description) }
        for warning in node.configuration.warnings {
            log.warning("the config has a warning", ["config.warning": warning])
        }
        if isatty(STDERR_FILENO) == 1 { Terminal.printError(Welcome.text(node)) }
        log.info("the node is running", ["server.listen": node.listenText, "data_dir": configuration.dataDirectory])
        await serve(node, requests, log)
    }

    /// Until the first signal that asks for the end.
    private func serve(_ node: Node, _ requests: AsyncStream<SignalWatch.Request>, _ log: Log) async {
        await withDiscardingTaskGroup { group in
            for await request in requests {
                if request == .drain { break }
                // Beside the signals: the one that ends the node waits for no reload.
                group.addTask { await reload(node, log) }
            }
            log.info("the node is draining")
            await node.stop()
        }
        log.info("the node has stopped; nothing acknowledged was lost")
    }

    private func reload(_ node: Node, _ log: Log) async {
        do throws(ConfigurationError) {
            let report = try await node.reload(asked: "by SIGHUP")
            log.info("the config was reloaded", report.fields)
            for key in report.needsRestart { log.warning("a change needs a restart", ["config.key": key]) }
        } catch {
            log.error("the config was refused and the old one stays", ["error": error.description])
        }
    }
}
