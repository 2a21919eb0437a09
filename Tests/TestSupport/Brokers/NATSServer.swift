import Foundation

/// A real nats-server with JetStream, which keeps its port and its data over a restart.
public final class NATSServer {
    public struct Message: Sendable {
        public var subject: String
        public var headers: [String: String]
        public var body: [UInt8]
    }

    public let port: Int
    private let folder: TemporaryFolder
    private var process: ChildProcess?

    /// - Parameter config: more of its configuration.
    public init(config: String = "") throws {
        folder = try TemporaryFolder()
        port = try LoopbackPort.free()
        let text = """
            listen: 127.0.0.1:\(port)
            jetstream { store_dir: "\(folder.path)/data" }
            \(config)
            """
        try text.write(toFile: "\(folder.path)/nats.conf", atomically: true, encoding: .utf8)
        try start()
    }

    deinit { process?.kill() }

    public var url: String { "nats://127.0.0.1:\(port)" }
    public var log: String { (try? String(contentsOfFile: "\(folder.path)/log", encoding: .utf8)) ?? "" }

    public func start() throws {
        process = try ChildProcess(
            PythonTool.program("nats-server"), ["-c", "\(folder.path)/nats.conf"], errors: .file("\(folder.path)/log"))
        // It listens before JetStream is up; it says so when it is.
        let patience = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < patience, process?.isRunning == true {
            if LoopbackPort.accepts(port), log.components(separatedBy: "Server is ready").count > starts { break }
            usleep(10_000)
        }
        starts += 1
        guard process?.isRunning == true, LoopbackPort.accepts(port) else {
            throw PythonTool.Failure(description: "nats-server does not get ready: \(log.suffix(2000))")
        }
    }

    private var starts = 1

    public func kill() { process?.kill() }
    public func signal(_ number: Int32) { process?.signal(number) }

    // MARK: Streams, through another client

    /// - Parameters:
    ///   - login: `user:password@`, where the server asks for one.
    ///   - config: of JetStream, beside `name` and `subjects`.
    ///   - isNew: else an existing stream is changed.
    public func makeStream(
        _ name: String, subjects: [String], login: String = "", config: [String: Any] = [:], isNew: Bool = true
    ) async throws {
        let all = config.merging(["name": name, "subjects": subjects, "num_replicas": 1]) { $1 }
        let json = String(decoding: try JSONSerialization.data(withJSONObject: all), as: UTF8.self)
        try await tool(login, [isNew ? "create" : "update", json])
    }

    public func purge(_ name: String) async throws { try await tool("", ["purge", name]) }

    /// Everything that the stream holds, in its order.
    public func messages(of name: String, login: String = "") async throws -> [Message] {
        try await tool(login, ["dump", name]).map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            guard let object, let subject = object["subject"] as? String,
                let headers = object["headers"] as? [String: String], let text = object["body"] as? String,
                let body = Data(base64Encoded: text)
            else { throw PythonTool.Failure(description: "an unexpected line: \(line)") }
            return Message(subject: subject, headers: headers, body: Array(body))
        }
    }

    /// Somebody who answers on `subject` and is no stream.
    public func answerer(on subject: String, _ text: String) throws -> ChildProcess {
        let child = try ChildProcess(
            PythonTool.program("python3"), [PythonTool.script("nats_stream.py"), url, "answer", subject, text],
            output: .pipe)
        guard child.readLine() == "ready" else { throw PythonTool.Failure(description: "nobody answers on \(subject)") }
        return child
    }

    @discardableResult private func tool(_ login: String, _ arguments: [String]) async throws -> [String] {
        try await PythonTool.run("nats_stream.py", ["nats://\(login)127.0.0.1:\(port)"] + arguments)
    }
}
