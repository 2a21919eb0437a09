import Foundation
import Synchronization

/// An MQTT broker that answers as it is told (`mqtt_broker.py`), and reports every packet.
public final class PlannedBroker: Sendable {
    public let port: Int
    private let process: ChildProcess
    private let seen = Mutex<[[String: String]]>([])

    /// - Parameter plan: as the script says.
    public init(_ plan: String) throws {
        process = try ChildProcess(
            PythonTool.program("python3"), [PythonTool.script("mqtt_broker.py"), plan], output: .pipe)
        guard let port = process.readLine().flatMap({ Int($0) }) else {
            throw PythonTool.Failure(description: "the planned broker does not start")
        }
        self.port = port
        Thread.detachNewThread { [weak self, process] in
            while let line = process.readLine() {
                let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                let words = (object ?? ["packet": line]).mapValues { "\($0)" }
                self?.seen.withLock { $0.append(words) }
            }
        }
    }

    deinit { process.kill() }

    public var url: String { "mqtt://127.0.0.1:\(port)" }
    /// Packets of a kind in the order they came.
    ///
    /// - Parameter count: as many are awaited: their report comes after their answer.
    public func packets(_ kind: String, atLeast count: Int = 0) async throws -> [[String: String]] {
        let patience = ContinuousClock.now + .seconds(20)
        while true {
            let found = seen.withLock { $0.filter { $0["packet"] == kind } }
            guard found.count < count else { return found }
            guard ContinuousClock.now < patience else {
                throw PythonTool.Failure(description: "\(found.count) of \(count) packets: \(seen.withLock { $0 })")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
