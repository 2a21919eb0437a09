import Synchronization

@testable import Daemon

/// A raw client for tasks: what blocks has a thread of its own, because the store needs the threads that run tasks.
struct PatientClient: Sendable {
    private let raw: RawClient
    init(port: UInt16) throws { raw = try RawClient(port: port) }

    func request(
        _ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil
    ) async throws -> RawClient.Response {
        try await offPool { try raw.request(method, path, headers: headers, body: body) }
    }

    func sendRequest(_ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil) async throws {
        try await offPool { try raw.sendRequest(method, path, headers: headers, body: body) }
    }

    func send(_ text: String) async throws { try await offPool { try raw.send(text) } }
    func receive() async throws -> RawClient.Response { try await offPool { try raw.receive() } }
    func isClosed() async throws -> Bool { try await offPool { raw.isClosed() } }
}

/// Runs what blocks on a thread of its own.
func offPool<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    let box = ResultBox<Value>()
    await Blocking.run { box.set(Result { try body() }) }
    guard let value = box.value else { preconditionFailure("the thread ended with a result") }
    return try value.get()
}

private final class ResultBox<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    func set(_ value: Result<Value, any Error>) { result.withLock { $0 = value } }
    var value: Result<Value, any Error>? { result.withLock { $0 } }
}

extension Mailbox {
    /// `take` for tasks.
    func next() async -> Value? { try? await offPool { self.take() } }
}
