import Synchronization
import WALStore

/// A node whose data folder cannot be used: a read-only file system, a disk that is not mounted, rights that are missing.
///
/// It says so to everybody who asks, with 503, so that senders keep what they have; and it tries again, so that whoever
/// mends the disk need not know that there is a node. It never gives up by itself.
struct WaitingNode {
    let configuration: Configuration
    let overrides: Configuration.Overrides
    let log: Log

    private static let interval = Duration.milliseconds(250)
    /// Tries are this many intervals apart.
    private static let intervalsATry = 4

    /// - Parameter first: what went wrong at the first try.
    /// - Returns: the node; nil when somebody asked for the end.
    func wait(first: SpoolError) async -> Node? {
        var error = first
        var servers = listen(error)
        log.error("the data folder cannot be used; requests are answered with 503 until it can", fields(error))
        var turns = 0
        while !SignalWatch.isDrainAsked.load(ordering: .acquiring) {
            // Cut short or not, the folder is looked at again.
            try? await Task.sleep(for: WaitingNode.interval)
            turns += 1
            guard turns % WaitingNode.intervalsATry == 0 else { continue }
            do throws(SpoolError) {
                let node = try Node(configuration, overrides, log: log)
                await stop(servers)
                log.info("the data folder can be used now", ["data_dir": configuration.dataDirectory])
                return node
            } catch let next {
                log.error("the data folder cannot be used; requests are answered with 503 until it can", fields(next))
                guard next.description != error.description else { continue }
                error = next
                await stop(servers)
                servers = listen(error)
            }
        }
        await stop(servers)
        return nil
    }

    private func fields(_ error: SpoolError) -> [String: String] {
        ["data_dir": configuration.dataDirectory, "error": error.description]
    }

    private func listen(_ error: SpoolError) -> [HTTPServer] {
        let detail = "the data folder \(configuration.dataDirectory) cannot be used: \(error)"
        let refusal = Reply.problem(503, detail, retryAfterSeconds: 10)
        let routes = [
            Route(["GET"], "/-/healthy") { _, responder in responder.reply(.text(200, "ok\n")) },
            // Before a body is read: nothing would become of it.
            Route(["GET", "POST", "PUT"], "/", isPrefix: true, preflight: { _ in .refused(refusal) }) { _, responder in
                responder.reply(refusal)
            },
        ]
        var servers: [HTTPServer] = []
        for settings in [configuration.server.ingestListener, configuration.adminListener] {
            do throws(HTTPServerError) {
                servers.append(try HTTPServer(settings: settings, routes: routes, events: log.sink))
            } catch let failure {
                // The admin socket lies in the folder as a rule.
                log.warning("a waiting node does not listen there", ["error": failure.description])
            }
        }
        return servers
    }

    private func stop(_ servers: [HTTPServer]) async {
        await Blocking.run { for server in servers { server.drain(limit: .seconds(1)) } }
    }
}
