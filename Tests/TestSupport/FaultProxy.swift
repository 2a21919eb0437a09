import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A TCP proxy on loopback that does to each connection what a script says: the bad network between two real programs.
///
/// One thread, however many connections. It lives until `stop`.
public final class FaultProxy: Sendable {
    /// Called with a connection's number, counted from 0, on the proxy's thread.
    public typealias Script = @Sendable (Int) -> FaultPlan

    private struct State {
        var connections = 0
        var open = 0
        var injected: [String: Int] = [:]
        var waiters: [(isReady: @Sendable (State) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
        var cutRequested = false
        var isStopped = false
    }

    private let script: Mutex<Script>
    private let target: Mutex<Int>
    private let state = Mutex(State())
    private let commands: (read: Int32, write: Int32)
    private let listener: Int32
    private let thread = Mutex<pthread_t?>(nil)
    public let port: Int

    /// - Parameters:
    ///   - target: the port on loopback that connections go on to.
    ///   - port: where to listen; 0: the system chooses.
    public init(to target: Int, port: Int = 0, _ script: @escaping Script = { _ in .clean }) throws {
        self.script = Mutex(script)
        self.target = Mutex(target)
        (listener, self.port) = try HTTPTestServer.listen(port: port, unixSocket: nil)
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw HTTPTestServerError(what: "pipe", code: errno) }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        commands = (ends[0], ends[1])
        let loop = FaultProxyLoop(proxy: self, listener: listener, commands: ends[0])
        var created = pthread_t()
        let failure = pthread_create(
            &created, nil,
            { context in
                if let context { Unmanaged<FaultProxyLoop>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(loop).toOpaque())
        guard failure == 0 else { throw HTTPTestServerError(what: "pthread_create", code: failure) }
        thread.withLock { $0 = created }
    }

    deinit {
        close(listener)
        close(commands.read)
        close(commands.write)
    }

    // MARK: The test's side

    public var url: String { "http://127.0.0.1:\(port)" }
    public func behave(_ script: @escaping Script) { self.script.withLock { $0 = script } }
    /// Where connections that come from now on go.
    public func redirect(to port: Int) { target.withLock { $0 = port } }
    /// Accepted so far.
    public var connections: Int { state.withLock { $0.connections } }
    /// Open now.
    public var openConnections: Int { state.withLock { $0.open } }
    /// Faults that happened, by name.
    public var injected: [String: Int] { state.withLock { $0.injected } }

    /// Resets every connection there is.
    public func cut() {
        state.withLock { $0.cutRequested = true }
        poke()
    }

    /// Returns once so many connections were accepted.
    public func accepted(_ count: Int) async { await wait { $0.connections >= count } }
    /// Returns once so many faults happened.
    public func injected(_ count: Int) async { await wait { $0.injected.values.reduce(0, +) >= count } }

    private func wait(_ isReady: @escaping @Sendable (State) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if isReady(state) || state.isStopped { return true }
                state.waiters.append((isReady, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    /// Resets everything; the port refuses from now on.
    public func stop() {
        change { $0.isStopped = true }
        poke()
        if let thread = thread.withLock({ $0.take() }) { pthread_join(thread, nil) }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func poke() {
        var byte: UInt8 = 1
        write(commands.write, &byte, 1)
    }

    // MARK: The loop's side

    var isStopped: Bool { state.withLock { $0.isStopped } }
    var targetPort: Int { target.withLock { $0 } }
    func plan() -> FaultPlan {
        let number = state.withLock { $0.connections }
        let plan = script.withLock { $0 }(number)
        change { state in
            state.connections += 1
            state.open += 1
            if plan.admission != .pass { state.injected["\(plan.admission)", default: 0] += 1 }
        }
        return plan
    }
    func ended() { change { $0.open -= 1 } }
    func happened(_ names: [String]) {
        if !names.isEmpty { change { state in for name in names { state.injected[name, default: 0] += 1 } } }
    }
    func takeCutRequest() -> Bool {
        state.withLock { state in
            defer { state.cutRequested = false }
            return state.cutRequested
        }
    }

    private func change(_ body: (inout sending State) -> Void) {
        let ready = state.withLock { state in
            body(&state)
            let snapshot = state
            let ready = state.waiters.filter { snapshot.isStopped || $0.isReady(snapshot) }
            state.waiters.removeAll { snapshot.isStopped || $0.isReady(snapshot) }
            return ready.map(\.continuation)
        }
        for continuation in ready { continuation.resume() }
    }
}
