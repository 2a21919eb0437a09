import Synchronization

/// Bytes held between HTTP and disk: bounded for the node and for each tenant. Over the bound a sender is told to come
/// back, so that memory does not grow with the number of senders.
final class IngestGate: Sendable {
    private struct State {
        var nodeLimit: Int
        var tenantLimit: Int
        var nodeBytes = 0
        var tenantBytes: [String: Int] = [:]

        mutating func change(_ tenant: String, from own: Int, to wanted: Int) -> Bool {
            let held = tenantBytes[tenant, default: 0]
            let bytes = wanted - own
            if bytes > 0 {
                // A request that is alone always passes: its size has limits of its own.
                let isAlone = nodeBytes == own
                let fits = nodeBytes + bytes <= nodeLimit && held + bytes <= tenantLimit
                guard fits || isAlone else { return false }
            }
            nodeBytes += bytes
            tenantBytes[tenant] = held + bytes == 0 ? nil : held + bytes
            return true
        }
    }
    private let state: Mutex<State>

    init(_ limits: IngestLimits) {
        state = Mutex(State(nodeLimit: limits.nodeMemoryBytes, tenantLimit: limits.tenantMemoryBytes))
    }

    func apply(_ limits: IngestLimits) {
        state.withLock { ($0.nodeLimit, $0.tenantLimit) = (limits.nodeMemoryBytes, limits.tenantMemoryBytes) }
    }

    /// Bytes held now.
    var heldBytes: Int { state.withLock { $0.nodeBytes } }

    /// Whether a request of the tenant may hold `wanted` bytes in place of its `own`; fewer always.
    fileprivate func change(_ tenant: String, from own: Int, to wanted: Int) -> Bool {
        own == wanted || state.withLock { $0.change(tenant, from: own, to: wanted) }
    }
}

/// One request's hold on the gate, and whose request it is. Given back when the last holder lets go: the exchange, or
/// the commit, whichever ends later.
final class IngestTicket: AdmissionTicket {
    let tenant: String
    private let maximumBodyBytes: Int
    private let gate: IngestGate
    private let held = Mutex(0)

    init(_ gate: IngestGate, tenant: String, maximumBodyBytes: Int) {
        self.gate = gate
        self.tenant = tenant
        self.maximumBodyBytes = maximumBodyBytes
    }
    deinit { _ = gate.change(tenant, from: held.withLock { $0 }, to: 0) }

    /// Holds `bytes` from now on, more or less than before.
    func hold(bytes: Int) -> Bool {
        held.withLock { held in
            guard gate.change(tenant, from: held, to: bytes) else { return false }
            held = bytes
            return true
        }
    }

    func admit(bodyBytes: Int) -> Reply? {
        if bodyBytes > maximumBodyBytes { return ServerCore.tooLarge(maximumBodyBytes) }
        let isHeld = held.withLock { $0 >= bodyBytes }
        // In steps, so that a body that arrives in small pieces does not knock each time.
        return isHeld || hold(bytes: bodyBytes + IngestTicket.stepBytes) ? nil : IngestTicket.overloaded
    }

    private static let stepBytes = 64 << 10
    static let overloaded = Reply.problem(
        503, "more is waiting for the disk than memory allows; send it again", retryAfterSeconds: 1)
}
