import Foundation

/// A real program, run as a child with its own folder and log. Killed when the test lets go of it.
final class ServerProcess {
    let executable: String
    let arguments: [String]
    let log: URL
    private let environment: [String: String]
    private var process: Process?

    init(_ executable: String, _ arguments: [String], log: URL, environment: [String: String] = [:]) {
        self.executable = executable
        self.arguments = arguments
        self.log = log
        self.environment = environment
    }

    deinit { kill() }

    var isRunning: Bool { process?.isRunning ?? false }
    var processID: Int32 { process?.processIdentifier ?? 0 }

    /// Starts it, appending to its log. Starting a running one is a mistake of the test.
    func start() throws {
        precondition(!isRunning, "\(executable) runs already")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        if !FileManager.default.fileExists(atPath: log.path) {
            try Data().write(to: log)
        }
        let output = try FileHandle(forWritingTo: log)
        try output.seekToEnd()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        try output.close()
        self.process = process
    }

    /// SIGKILL: nothing in it gets a last word.
    func kill() {
        guard let process, process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func signal(_ number: Int32) {
        if let process, process.isRunning { Foundation.kill(process.processIdentifier, number) }
    }

    /// SIGTERM, then its exit status.
    func stop() -> Int32 {
        guard let process else { return 0 }
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// The end of its log, for a failure's message.
    var lastWords: String {
        let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(15).joined(separator: "\n")
    }
}

/// Runs a program to its end.
func run(_ executable: String, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("run-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    // Files, not pipes: a full pipe would stop the program.
    let files = ["output", "errors"].map { folder.appendingPathComponent($0) }
    for file in files { try Data().write(to: file) }
    process.standardOutput = try FileHandle(forWritingTo: files[0])
    process.standardError = try FileHandle(forWritingTo: files[1])
    try process.run()
    process.waitUntilExit()
    return (
        process.terminationStatus, try String(contentsOf: files[0], encoding: .utf8),
        try String(contentsOf: files[1], encoding: .utf8)
    )
}
