import Foundation
import TestSupport

/// A real program, run as a child with its own folder and log. Killed when the test lets go of it.
final class ServerProcess {
    let executable: String
    let arguments: [String]
    let log: URL
    private let environment: [String: String]
    private var child: ChildProcess?

    init(_ executable: String, _ arguments: [String], log: URL, environment: [String: String] = [:]) {
        self.executable = executable
        self.arguments = arguments
        self.log = log
        self.environment = environment
    }

    var isRunning: Bool { child?.isRunning ?? false }
    var processID: Int32 { child?.id ?? 0 }

    /// Starts it, appending to its log. Starting a running one is a mistake of the test.
    func start() throws {
        precondition(!isRunning, "\(executable) runs already")
        child = try ChildProcess(
            executable, arguments, environment: environment, output: .file(log.path), errors: .file(log.path))
    }

    /// SIGKILL: nothing in it gets a last word.
    func kill() { child?.kill() }

    func signal(_ number: Int32) { child?.signal(number) }

    /// SIGTERM, then its exit status.
    func stop() -> Int32 {
        guard let child else { return 0 }
        child.signal(SIGTERM)
        return child.wait().status
    }

    /// The end of its log, for a failure's message.
    /// All that it has said.
    var words: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    var lastWords: String {
        words.split(separator: "\n").suffix(15).joined(separator: "\n")
    }

    /// Its threads, open files and resident memory now, from /proc.
    var usage: (threads: Int, files: Int, residentBytes: Int) {
        let status = (try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)) ?? ""
        func number(_ key: String) -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix(key) } ?? ""
            return Int(line.filter(\.isNumber)) ?? 0
        }
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd").count) ?? 0
        return (number("Threads:"), files, number("VmRSS:") * 1024)
    }
}

/// Runs a program to its end.
func run(_ executable: String, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
    let result = try ChildProcess.run(executable, arguments)
    return (result.exit.status, result.output, result.errors)
}
