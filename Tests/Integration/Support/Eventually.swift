import Foundation

/// Waits for something another process does, which offers no event to wait on.
///
/// - Returns: whether `condition` came true in time.
func eventually(
    within seconds: Double, every interval: Double = 0.1, _ condition: () async throws -> Bool
) async throws -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while true {
        if try await condition() { return true }
        if Date() >= deadline { return false }
        try await Task.sleep(for: .milliseconds(Int(interval * 1000)))
    }
}

struct TestFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
