import Glibc
import Synchronization
import WALStore

/// The daemon's log: one line an event on stderr. Rooms below hand their events to `sink`.
///
/// `warning` and `error` repeats are throttled: a backend that is away for a day says so every half minute, with a
/// count, not at each attempt.
final class Log: Sendable {
    private struct State {
        var threshold: Event.Level
        var isJSON: Bool
        var throttle = Throttle()
        var line: [UInt8] = []
    }
    private let state: Mutex<State>
    private let time: TimeSource
    private let descriptor: Int32
    private let colours: Bool

    /// - Parameter descriptor: where lines go; a test hands over a pipe.
    init(
        level: Event.Level = .info, form: LogSection.Form = .auto, descriptor: Int32 = STDERR_FILENO,
        time: TimeSource = .system
    ) {
        self.time = time
        self.descriptor = descriptor
        let isTerminal = isatty(descriptor) == 1
        // <https://no-color.org>
        colours = isTerminal && getenv("NO_COLOR") == nil
        state = Mutex(State(threshold: level, isJSON: Log.isJSON(form, isTerminal)))
    }

    /// Takes over a changed `log:` section.
    func configure(_ section: LogSection) {
        let isTerminal = isatty(descriptor) == 1
        state.withLock { state in
            state.threshold = section.level.level
            state.isJSON = Log.isJSON(section.format, isTerminal)
        }
    }

    private static func isJSON(_ form: LogSection.Form, _ isTerminal: Bool) -> Bool {
        form == .json || (form == .auto && !isTerminal)
    }

    var sink: EventSink { { event in self.write(event) } }

    func info(_ message: StaticString, _ metadata: [String: String] = [:]) { write(Event(.info, message, metadata)) }
    func warning(_ message: StaticString, _ metadata: [String: String] = [:]) {
        write(Event(.warning, message, metadata))
    }
    func error(_ message: StaticString, _ metadata: [String: String] = [:]) { write(Event(.error, message, metadata)) }

    func write(_ event: Event) {
        let wall = time.wall()
        let now = time.boot()
        state.withLock { state in
            guard event.level >= state.threshold else { return }
            var event = event
            if event.level >= .warning {
                guard case .say(let repeats) = state.throttle.admit(event.message, event.metadata, now: now) else {
                    return
                }
                if repeats > 0 { event.metadata["log.repeats"] = String(repeats) }
            }
            state.line.removeAll(keepingCapacity: true)
            if state.isJSON {
                LogRenderer.json(event, at: wall, into: &state.line)
            } else {
                LogRenderer.text(event, at: wall, colours: colours, into: &state.line)
            }
            // One call a line keeps lines whole. A log that cannot be written must not stop the daemon.
            _ = Glibc.write(descriptor, state.line, state.line.count)
        }
    }
}
