import CHTTPServer
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The thread that watches deadlines, makes room on a full listener, and reads out the sockets we have said our last word
/// on.
final class Reaper: Sendable {
    private struct Lingering {
        var descriptor: Int32
        var deadline: Int64
        var bytesLeft: Int
    }
    private static let maximumLingering = 64
    private static let lingerNanoseconds: Int64 = 2_000_000_000
    private static let lingerBytes = 4 << 20
    /// Between two looks at a full listener.
    private static let crowdMilliseconds: Int32 = 20

    private let wake = EventCounter()
    private let isStopping = Atomic<Bool>(false)
    private let arrivals = Mutex<[Int32]>([])
    private let thread = Mutex<Thread?>(nil)

    func start(_ core: ServerCore) {
        let started = Thread { self.run(core) }
        thread.withLock { $0 = started }
    }

    func stop() {
        isStopping.store(true, ordering: .releasing)
        wake.raise()
        thread.withLock { $0.take() }?.join()
    }

    /// There is something to watch.
    func notice() { wake.raise() }

    /// Takes over a descriptor: says that nothing more will come, reads what the peer still sends, closes it.
    func linger(_ descriptor: Int32) {
        let isTaken = arrivals.withLock { arrivals in
            guard arrivals.count < Reaper.maximumLingering else { return false }
            arrivals.append(descriptor)
            return true
        }
        if isTaken { wake.raise() } else { close(descriptor) }
    }

    private func run(_ core: ServerCore) {
        var lingering: [Lingering] = []
        var polled: [pollfd] = []
        var discard = [UInt8](repeating: 0, count: 64 << 10)
        let tick = Reaper.tickMilliseconds(core.settings)
        var (enforcedAt, relievedAt): (Int64, Int64) = (0, 0)
        while !isStopping.load(ordering: .acquiring) {
            polled.removeAll(keepingCapacity: true)
            polled.append(pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0))
            for entry in lingering { polled.append(pollfd(fd: entry.descriptor, events: Int16(POLLIN), revents: 0)) }
            let (isEmpty, isCrowded) = core.connections.withLock { ($0.all.isEmpty, $0.isCrowded(core.settings)) }
            let pause = isCrowded ? min(tick, Reaper.crowdMilliseconds) : tick
            _ = poll(&polled, nfds_t(polled.count), lingering.isEmpty && isEmpty ? -1 : pause)
            if polled[0].revents != 0 { wake.reset() }
            let now = MonotonicTime.now()
            for index in lingering.indices.reversed() {
                let isReadable = polled[index + 1].revents != 0
                if Reaper.isDone(&lingering[index], isReadable: isReadable, now: now, &discard) {
                    close(lingering[index].descriptor)
                    lingering.remove(at: index)
                }
            }
            for descriptor in arrivals.withLock({ exchange(&$0, with: []) }) {
                lingering.append(
                    Lingering(
                        descriptor: descriptor, deadline: now + Reaper.lingerNanoseconds, bytesLeft: Reaper.lingerBytes)
                )
            }
            if now - relievedAt >= Int64(pause) * 1_000_000 / 2,
                core.connections.withLock({ $0.isCrowded(core.settings) })
            {
                core.relieve(now: now)
                relievedAt = now
            }
            // Not at each wake: newcomers and lingering peers may wake it often, and a look at everybody is not free.
            if now - enforcedAt >= Int64(tick) * 1_000_000 / 2 {
                enforce(core, now)
                enforcedAt = now
            }
        }
        for entry in lingering { close(entry.descriptor) }
        for descriptor in arrivals.withLock({ exchange(&$0, with: []) }) { close(descriptor) }
    }

    private func enforce(_ core: ServerCore, _ now: Int64) {
        let connections = core.connections.withLock { Array($0.all.values) }
        for connection in connections {
            connection.enforce(core.settings, now: now)
            connection.exchange?.giveUp(ifSuspendedBefore: now - core.settings.answerTimeout.nanoseconds)
        }
    }

    private static func isDone(
        _ entry: inout Lingering, isReadable: Bool, now: Int64, _ discard: inout [UInt8]
    ) -> Bool {
        if now > entry.deadline { return true }
        guard isReadable else { return false }
        let count = recv(entry.descriptor, &discard, discard.count, Int32(MSG_DONTWAIT))
        if count < 0 { return errno != EAGAIN && errno != EINTR }
        entry.bytesLeft -= count
        return count == 0 || entry.bytesLeft <= 0
    }

    /// A quarter of the shortest deadline: late by that at most.
    private static func tickMilliseconds(_ settings: HTTPServerSettings) -> Int32 {
        let shortest = min(settings.headerTimeout, settings.bodyTimeout, settings.idleTimeout, settings.answerTimeout)
        return Int32(clamping: min(1000, max(10, shortest.nanoseconds / 4_000_000)))
    }
}

private func exchange<Value>(_ place: inout Value, with value: Value) -> Value {
    let old = place
    place = value
    return old
}
