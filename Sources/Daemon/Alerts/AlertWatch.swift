import Forwarder
import Synchronization
import WALStore

/// Looks at the node now and then, and tells the Alertmanagers what is wrong with it.
///
/// Nothing waits for it: events are noted in memory, the looks are those of `status`, and what is sent goes out over
/// connections of its own.
final class AlertWatch: Sendable {
    private struct State {
        var news = AlertNews()
        var board = AlertBoard()
        var section: AlertmanagerSection?
        var alertmanager: Alertmanager?
        var task: Task<Void, Never>?
        var configRefusal: String?
    }

    private let events: EventSink
    private let time: TimeSource
    private let sleep: @Sendable (Duration) async throws -> Void
    private let look: Mutex<(@Sendable () async -> AlertLook?)?>
    private let state = Mutex(State())

    init(
        events: @escaping EventSink, time: TimeSource = .system,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.events = events
        self.time = time
        self.sleep = sleep
        look = Mutex(nil)
    }

    /// An event of any part of the node, on its thread.
    func hear(_ event: Event) {
        guard event.level >= .warning, AlertEvents.meanings[event.message] != nil else { return }
        let now = time.boot()
        state.withLock { $0.news.hear(event, now: now) }
    }

    /// - Parameter refusal: why a config was refused; nil: one was taken over.
    func reloaded(refusal: String?) { state.withLock { $0.configRefusal = refusal } }
    var configRefusal: String? { state.withLock { $0.configRefusal } }

    /// - Parameter look: the node at that moment; nil when it is gone.
    func start(_ section: AlertmanagerSection?, look: @escaping @Sendable () async -> AlertLook?) {
        self.look.withLock { $0 = look }
        apply(section)
    }

    /// Takes over a changed section; the same one changes nothing. What fires goes on firing.
    func apply(_ section: AlertmanagerSection?) {
        state.withLock { state in
            guard state.section?.fingerprint != section?.fingerprint else { return }
            state.task?.cancel()
            state.section = section
            guard let section else {
                (state.task, state.alertmanager) = (nil, nil)
                return
            }
            let alertmanager = Alertmanager(section.settings, events: events)
            state.alertmanager = alertmanager
            state.task = Task { [weak self] in
                await withDiscardingTaskGroup { group in
                    group.addTask { await alertmanager.run() }
                    group.addTask { [weak self] in await self?.watch(section, alertmanager) }
                }
            }
        }
    }

    /// Returns when nothing is sent any more. Nothing is said to be over: what fires lapses, or fires again after a restart.
    func stop() async {
        let task = state.withLock { state in
            state.section = nil
            return state.task.take()
        }
        task?.cancel()
        await task?.value
    }

    private func watch(_ section: AlertmanagerSection, _ alertmanager: Alertmanager) async {
        while !Task.isCancelled {
            let look = look.withLock { $0 }
            guard let now = await look?() else { return }
            alertmanager.publish(judge(now, section.thresholds))
            do { try await sleep(section.settings.interval) } catch { return }
        }
    }

    private func judge(_ look: AlertLook, _ thresholds: AlertThresholds) -> AlertSnapshot {
        let (now, wall) = (time.boot(), time.wall())
        var alerts = AlertRules.alerts(look, thresholds)
        return state.withLock { state in
            state.news.compare(look.report, now: now)
            alerts += state.news.alerts(hold: thresholds.hold, now: now)
            return state.board.update(alerts, wall: wall)
        }
    }

    /// For `status` and `/metrics`; nil where the config names no Alertmanager.
    var status: AlertStatus? {
        state.withLock { state in
            guard let alertmanager = state.alertmanager else { return nil }
            return AlertStatus(
                firing: state.board.firing, leftOut: state.board.leftOut, alertmanagers: alertmanager.status)
        }
    }
}

/// What fires, and who was told.
struct AlertStatus: Sendable {
    var firing: Int
    var leftOut: Int
    var alertmanagers: [AlertmanagerStatus]
}
