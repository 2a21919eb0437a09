import Synchronization
import WALStore

/// Drains every tenant's spool to every backend the tenant names, at least once.
///
/// One lane a tenant and backend; lanes never wait for each other except for turns at the same backend. A lane has a task
/// only while it has work.
public final class Forwarder: Sendable {
    struct State {
        /// By tenant, then backend.
        var lanes: [String: [String: Lane]] = [:]
        var replays = ReplayLanes()
        var isRunning = false
    }

    let context: DeliveryContext
    let state = Mutex(State())

    /// - Parameters:
    ///   - store: the spools; asked for `onWork` once, here.
    ///   - events: hears what an operator should see.
    public convenience init(store: WALStore, transport: HTTPTransport, events: @escaping EventSink) {
        self.init(source: store, transport: transport, events: events)
    }

    convenience init(source: any DeliverySource, transport: HTTPTransport, events: @escaping EventSink) {
        self.init(
            context: DeliveryContext(
                source: source, transport: transport, time: .system, sleep: { try await Task.sleep(for: $0) },
                random: SystemRandomNumberGenerator(), tuning: DeliveryTuning(), events: events))
    }

    init(context: DeliveryContext) {
        self.context = context
        context.source.onWork { [weak self] tenant in self?.workArrived(tenant) }
    }

    // MARK: Life

    /// The routes there are from now on: at start, and again at each reload. The spools know their backends already.
    ///
    /// A lane that stays finishes its attempt in flight as it began and goes on with the new backend; one that is held or
    /// waiting tries at once. A lane left out ends after its attempt, and its points stay owed.
    public func configure(_ routes: [DeliveryRoute]) {
        var limits: [String: Int] = [:]
        for route in routes where limits[route.name] == nil { limits[route.name] = route.maximumInFlight }
        context.setLimits(limits)
        let isRunning = state.withLock { state in
            var left = state.lanes
            for route in routes {
                left[route.tenant]?[route.name] = nil
                if let lane = state.lanes[route.tenant]?[route.name] {
                    lane.reconfigure(route)
                } else {
                    state.lanes[route.tenant, default: [:]][route.name] = Lane(route, context.source)
                }
            }
            // Kept although removed: should it come back while its last attempt runs, no second worker may start.
            for lane in left.ordered {
                lane.remove()
                guard lane.state.withLock({ !$0.isRunning }) else { continue }
                state.lanes[lane.tenant]?[lane.backend] = nil
            }
            state.configureReplays()
            return state.isRunning
        }
        if isRunning { notifyAll() }
    }

    /// Begins, or goes on: lanes with work get a worker.
    public func start() {
        state.withLock { state in
            state.isRunning = true
            for lane in state.lanes.values.flatMap(\.values) + state.replays.ordered { lane.resume() }
            state.replays.forgetAll()
        }
        notifyAll()
    }

    /// Leases no more, waits up to `grace` for answers in flight, aborts the rest (their points may have arrived, and the
    /// spool is told), settles, and returns when every worker has ended.
    public func stop(grace: Duration) async {
        let lanes = state.withLock { state in
            state.isRunning = false
            return state.lanes.ordered + state.replays.ordered
        }
        for lane in lanes { lane.stop() }
        let context = context
        let deadline = Task(executorPreference: context.tasks) {
            do { try await context.sleep(grace) } catch { return }
            for lane in lanes { lane.cancel() }
        }
        for lane in lanes { await lane.ended() }
        deadline.cancel()
    }

    /// Every lane of the config.
    public func status() -> [LaneStatus] {
        let lanes = state.withLock { $0.lanes.values.flatMap(\.values) }
        let (now, wall) = (context.time.boot(), context.time.wall())
        return lanes.compactMap { lane in
            lane.state.withLock { $0.isRemoved ? nil : $0.status(now: now, wall: wall) }
        }.sorted { ($0.tenant, $0.backend) < ($1.tenant, $1.backend) }
    }

    // MARK: Work

    private func notifyAll() { for tenant in context.source.tenantsWithWork() { workArrived(tenant) } }

    private func workArrived(_ tenant: String) {
        let (lanes, isNew) = state.withLock { state in
            state.isRunning ? (state.lanes[tenant]?.ordered ?? [], state.replays.notice(tenant)) : ([], false)
        }
        for lane in lanes { lane.notify(context) }
        guard isNew, context.source is any ReplaySource else { return }
        Task(executorPreference: context.tasks) { [self] in await followReplays(tenant: tenant) }
    }
}

// Always in the same order: a lane that is woken first asks first.
extension [String: Lane] {
    fileprivate var ordered: [Lane] { count < 2 ? Array(values) : values.sorted { $0.backend < $1.backend } }
}

extension [String: [String: Lane]] {
    fileprivate var ordered: [Lane] { sorted { $0.key < $1.key }.flatMap(\.value.ordered) }
}
