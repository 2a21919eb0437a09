import Foundation

/// Clients and servers of PyPI that `ops/install test` puts into `.build/python`, and scripts of the tests that use them.
public enum PythonTool {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    public static func program(_ name: String) -> String { "\(root)/.build/python/bin/\(name)" }

    /// A script of the folder beside this file.
    public static func script(_ name: String) -> String { "\(root)/Tests/TestSupport/Brokers/Scripts/\(name)" }

    public struct Failure: Error, CustomStringConvertible { public var description: String }

    /// Runs a script to its end on a thread of its own: it takes a while, and what it is to see must go on meanwhile.
    ///
    /// - Returns: the lines it said.
    @discardableResult public static func run(_ script: String, _ arguments: [String]) async throws -> [String] {
        let answer = try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result { try ChildProcess.run(program("python3"), [self.script(script)] + arguments) })
            }
        }
        guard answer.exit == .exited(0) else {
            throw Failure(description: "\(script) \(arguments.dropFirst().first ?? ""): \(answer.errors.suffix(2000))")
        }
        return answer.output.split(separator: "\n").map(String.init)
    }
}
