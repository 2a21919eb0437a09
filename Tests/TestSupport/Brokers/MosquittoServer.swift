import Foundation

/// A real mosquitto that keeps its sessions and messages on disk, over a restart too.
public final class MosquittoServer {
    public struct Message: Sendable {
        public var topic: String
        public var contentType: String
        public var properties: [String: String]
        public var body: [UInt8]
    }

    public let port: Int
    private let folder: TemporaryFolder
    private var process: ChildProcess?

    /// - Parameter config: more of its configuration.
    public init(config: String = "allow_anonymous true") throws {
        folder = try TemporaryFolder()
        port = try LoopbackPort.free()
        let text = """
            listener \(port) 127.0.0.1
            user \(NSUserName())
            persistence true
            persistence_location \(folder.path)/
            autosave_on_changes true
            autosave_interval 1
            \(config)

            """
        try text.write(toFile: "\(folder.path)/mosquitto.conf", atomically: true, encoding: .utf8)
        try start()
    }

    deinit { process?.kill() }

    public var url: String { "mqtt://127.0.0.1:\(port)" }
    public func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    public func start() throws {
        process = try ChildProcess(
            "/usr/sbin/mosquitto", ["-c", path("mosquitto.conf")], output: .file(path("log")),
            errors: .file(path("log")))
        let patience = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < patience, process?.isRunning == true, !LoopbackPort.accepts(port) { usleep(10_000) }
        guard process?.isRunning == true, LoopbackPort.accepts(port) else {
            let log = (try? String(contentsOfFile: path("log"), encoding: .utf8)) ?? ""
            throw PythonTool.Failure(description: "mosquitto does not get ready: \(log.suffix(2000))")
        }
    }

    /// Has it write down what it keeps, which by itself it does some time after its answer: a kill before that takes what it
    /// said it has.
    public func save() throws {
        func number() -> Int? {
            (try? FileManager.default.attributesOfItem(atPath: path("mosquitto.db")))?[.systemFileNumber] as? Int
        }
        let before = number()
        signal(SIGUSR1)
        let patience = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < patience, number() == nil || number() == before { usleep(10_000) }
        guard let after = number(), after != before else {
            throw PythonTool.Failure(description: "mosquitto does not save")
        }
    }

    /// Returns when something that was sent to it has arrived and is not read: a stopped one reads nothing.
    ///
    /// The kernel's table of sockets has it: local address, state 01 (established), bytes in both queues.
    /// <https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html>
    public func hasUnread() async throws {
        let local = "0100007F:" + String(format: "%04X", port)
        let patience = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < patience {
            // By a handle: such a file says that it is empty.
            let table = try FileHandle(forReadingAtPath: "/proc/self/net/tcp")?.readToEnd() ?? Data()
            let hasUnread = String(decoding: table, as: UTF8.self).split(separator: "\n").contains { line in
                let words = line.split(separator: " ")
                return words.count > 4 && words[1] == local && words[3] == "01" && !words[4].hasSuffix(":00000000")
            }
            if hasUnread { return }
            await Task.yield()
        }
        throw PythonTool.Failure(description: "nothing waits to be read")
    }

    public func kill() { process?.kill() }
    public func signal(_ number: Int32) { process?.signal(number) }

    // MARK: A subscriber, of another maker

    /// Begins a session that the broker keeps for `messages`.
    public func join(_ topic: String, quality: Int) async throws {
        try await PythonTool.run("mqtt_reader.py", ["\(port)", "join", topic, "\(quality)"])
    }

    /// What the session got since it was read last.
    public func messages(quietSeconds: Double = 1) async throws -> [Message] {
        try await PythonTool.run("mqtt_reader.py", ["\(port)", "read", "\(quietSeconds)"]).map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            guard let object, let topic = object["topic"] as? String, let type = object["type"] as? String,
                let properties = object["properties"] as? [String: String], let text = object["body"] as? String,
                let body = Data(base64Encoded: text)
            else { throw PythonTool.Failure(description: "an unexpected line: \(line)") }
            return Message(topic: topic, contentType: type, properties: properties, body: Array(body))
        }
    }
}
