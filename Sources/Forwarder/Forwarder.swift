import WALStore

/// Drains every tenant's spool to every backend the tenant names, at least once.
public final class Forwarder: Sendable {
    /// - Parameter events: hears what an operator should see.
    public init(store: WALStore, transport: HTTPTransport, events: @escaping EventSink) {}

    /// The routes there are from now on: at start, and again at each reload.
    public func configure(_ routes: [DeliveryRoute]) {}

    /// Begins, or goes on: lanes with work get a worker.
    public func start() {}

    /// Leases no more, waits up to `grace` for answers in flight, settles them, and returns when every worker has ended.
    public func stop(grace: Duration) async {}

    public func status() -> [LaneStatus] { [] }
}
