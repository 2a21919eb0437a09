import Glibc
import Synchronization

/// SIGTERM and SIGINT ask for a drain, SIGHUP for a reload.
///
/// The signals are blocked in every thread and taken by one that waits for them: nothing runs in a handler, where next
/// to nothing is allowed (signal-safety(7)).
enum SignalWatch {
    enum Request: Sendable { case reload, drain }

    /// Somebody has asked for the end, whether or not anyone has taken the request yet.
    static let isDrainAsked = Atomic(false)

    private static var watched: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, signal) }
        return set
    }

    /// Blocks the signals here and in threads made from here on: call it before there are any others.
    static func block() {
        var set = watched
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// What the signals ask for, in their order, for as long as the process lives. The second one that asks for a drain
    /// is somebody who does not want to wait: the process ends at once, as in a crash, which loses nothing either.
    static func requests() -> AsyncStream<Request> {
        AsyncStream { continuation in
            Blocking.detach {
                var set = watched
                var isDraining = false
                while true {
                    var signal: Int32 = 0
                    guard sigwait(&set, &signal) == 0 else { continue }
                    if signal == SIGHUP {
                        continuation.yield(.reload)
                        continue
                    }
                    if isDraining { _exit(128 + signal) }
                    isDraining = true
                    isDrainAsked.store(true, ordering: .releasing)
                    continuation.yield(.drain)
                }
            }
        }
    }
}

/// The admin API's way to ask for the drain that SIGTERM asks for.
enum DrainSignal {
    static func raise() { kill(getpid(), SIGTERM) }
}
