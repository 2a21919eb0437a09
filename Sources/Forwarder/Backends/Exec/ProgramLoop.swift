import CProcess
import Metrics
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// The thread that owns a program: starts it when there is something to say, writes, reads, keeps the times, and starts it
/// again after a while when it has ended.
final class ProgramLoop {
    static let protocolVersion: Int64 = 1
    /// Room for a verdict on each of ten thousand points.
    static let lineBytes = 1 << 20

    private enum State {
        /// - Parameters:
        ///   - until: boot clock, nanoseconds: not before.
        ///   - reason: why it is down; nil before its first start.
        ///   - holds: it takes somebody to do something.
        case down(until: Int64, reason: String?, holds: Bool = false)
        case starting(ChildProgram, deadline: Int64)
        case up(ChildProgram)

        var child: ChildProgram? {
            switch self {
            case .down: nil
            case .starting(let child, _), .up(let child): child
            }
        }
    }

    private let name: String
    private let command: ProgramCommand
    private let times: ProgramTimes
    private let environment: BackendEnvironment
    private let inbox: ProgramInbox

    private var state = State.down(until: 0, reason: nil)
    private var talk: ProgramTalk
    private var suspects = ProgramSuspects()
    private var lines = LineBuffer(limit: lineBytes)
    private var errors: ProgramErrors
    /// What of our greeting is not written yet.
    private var greeting: [UInt8] = []
    /// Lives, one after the other, in which nothing was answered.
    private var barrenLives = 0
    private var hasAnswered = false
    /// It closed its standard error.
    private var isDeaf = false
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    init(
        name: String, command: ProgramCommand, times: ProgramTimes, concurrency: Int, environment: BackendEnvironment,
        inbox: ProgramInbox
    ) {
        self.name = name
        self.command = command
        self.times = times
        self.environment = environment
        self.inbox = inbox
        talk = ProgramTalk(concurrency: concurrency, patience: times.request.wholeNanoseconds)
        errors = ProgramErrors(name: name, events: environment.events)
    }

    private var now: Int64 { environment.time.boot() }

    func run() {
        Self.blockBrokenPipes()
        while true {
            let content = inbox.take()
            for submission in content.submissions { admit(submission) }
            for id in content.cancellations { talk.cancel(id) }
            if content.isClosing { return close() }
            if case .down = state, !talk.isIdle { start() }
            watch()
        }
    }

    /// A program that is gone is seen as an error of the write, not as a signal to the whole node.
    private static func blockBrokenPipes() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    private func admit(_ submission: ProgramInbox.Submission) {
        if case .down(let until, let reason, let holds) = state, let reason, now < until {
            if holds { return submission.completion(.hold(reason)) }
            let wait = Duration.nanoseconds(until - now)
            return submission.completion(
                .later(after: wait, reason: "the program is started again in a while: \(reason)"))
        }
        let tenant = submission.request.tenant
        if let wait = suspects.wait(tenant, now: now) {
            return submission.completion(
                .later(after: wait, reason: "the program ended over requests of this tenant, which waits for a while"))
        }
        talk.add(
            submission.id, submission.request, deadline: now + times.request.wholeNanoseconds,
            isAlone: suspects.contains(tenant), submission.completion)
    }

    // MARK: Lives

    private func start() {
        do throws(ChildProgram.Failure) {
            let child = try ChildProgram(command)
            var json = JSONWriter()
            json.beginObject()
            json.member("hello", Self.protocolVersion)
            json.member("backend", name)
            json.end()
            json.newline()
            greeting = json.bytes
            (lines, hasAnswered, isDeaf) = (LineBuffer(limit: Self.lineBytes), false, false)
            state = .starting(child, deadline: now + times.start.wholeNanoseconds)
            tell(.info, "the program of a backend was started", ["process": "\(child.id)"])
        } catch {
            if error.needsOperator { talk.hold(error.reason) } else { talk.fail(error.reason) }
            goDown(error.reason, holds: error.needsOperator)
        }
    }

    /// Ends this life of the program, whatever is left of it.
    ///
    /// - Parameter reason: what it did; nil when it has ended by itself.
    private func end(_ reason: String?, holds: Bool = false) {
        guard let child = state.child else { return }
        drainErrors(child)
        let ending = child.end()
        let words = "the program " + (reason ?? ending)
        tell(.warning, "the program of a backend has ended", ["reason": words, "ending": ending])
        let isOfSame = suspects.blame(talk.tenantsUnderWay, times, now: now)
        // First, as whoever hears that it ended may ask at once.
        goDown(words, holds: holds, isOfSame: isOfSame)
        if holds { talk.hold(words) } else { talk.fail(words) }
    }

    /// - Parameter isOfSame: it ended over the tenants that it ended over before: it is them that wait longer.
    private func goDown(_ reason: String, holds: Bool, isOfSame: Bool = false) {
        barrenLives = hasAnswered ? 0 : isOfSame ? barrenLives : barrenLives + 1
        hasAnswered = false
        let wait = times.wait(afterEnds: barrenLives)
        state = .down(until: now + wait.wholeNanoseconds, reason: reason, holds: holds)
    }

    /// Nobody needs it any more: it may finish what it does.
    private func close() {
        talk.fail("the backend was taken down")
        guard let child = state.child else { return }
        child.closeInput()
        _ = ChildProgram.wait(child.ending, milliseconds: Int32(ProgramTimes.end.components.seconds * 1000))
        drainErrors(child)
        let ending = child.end()
        tell(.info, "the program of a backend has ended", ["reason": "it is not needed any more", "ending": ending])
    }

    private func tell(_ level: Event.Level, _ message: StaticString, _ metadata: [String: String]) {
        environment.events(Event(level, message, metadata.merging(["backend": name]) { $1 }))
    }

    // MARK: Watching

    /// Waits for the next thing to happen, and acts on it.
    private func watch() {
        var watched = [pollfd(fd: inbox.wakeup, events: Int16(POLLIN), revents: 0)]
        if let child = state.child {
            // Without something to write a broken pipe would wake us for ever: -1 is passed over.
            let input = hasSomethingToWrite ? child.input : -1
            watched += [
                pollfd(fd: child.output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isDeaf ? -1 : child.errors, events: Int16(POLLIN), revents: 0),
                pollfd(fd: child.ending, events: Int16(POLLIN), revents: 0),
                pollfd(fd: input, events: Int16(POLLOUT), revents: 0),
            ]
        }
        guard poll(&watched, nfds_t(watched.count), waitMilliseconds) >= 0, let child = state.child else { return }
        if watched[2].revents != 0 { _ = readErrors(child) }
        if watched[1].revents != 0, readAnswers(child) == .over { return }
        if watched[4].revents != 0, !write(child) { return }
        if watched[3].revents != 0 { return endWithLastWords(child) }
        checkTimes()
    }

    /// It has ended, or is about to: what it said before that counts.
    private func endWithLastWords(_ child: ChildProgram) {
        // What another process holds its output open for is not waited for.
        var reads = 0
        while reads < Self.lastReads {
            switch readAnswers(child) {
            case .over: return
            case .nothing: reads = Self.lastReads
            case .something: reads += 1
            }
        }
        end(nil)
    }

    /// A pipe's worth, and some.
    private static let lastReads = 64

    private var hasSomethingToWrite: Bool {
        if !greeting.isEmpty { return true }
        if case .up = state { return talk.hasBytes }
        return false
    }

    private var waitMilliseconds: Int32 {
        var next = talk.nextDeadline
        if case .starting(_, let deadline) = state { next = deadline }
        guard let next else { return -1 }
        return Int32(clamping: max(0, (next - now + 999_999) / 1_000_000))
    }

    private func checkTimes() {
        if case .starting(_, let deadline) = state {
            // Its start has a time of its own.
            if now >= deadline { end("did not greet within \(times.start)") }
            return
        }
        talk.expire(now: now)
        if talk.isLate(now: now) { end("did not answer within \(times.request)") }
    }

    // MARK: Writing

    /// - Returns: false when this life of the program is over.
    private func write(_ child: ChildProgram) -> Bool {
        var code: Int32 = 0
        func put(_ bytes: UnsafeRawBufferPointer) -> Int {
            let count = Glibc.write(child.input, bytes.baseAddress, bytes.count)
            if count < 0, errno != EAGAIN, errno != EINTR { code = errno }
            return max(0, count)
        }
        if !greeting.isEmpty { greeting.removeFirst(greeting.withUnsafeBytes { put($0) }) }
        if case .up = state, greeting.isEmpty { talk.write(now: now, put) }
        guard code != 0 else { return true }
        if ChildProgram.wait(child.ending, milliseconds: 100) {
            endWithLastWords(child)
        } else {
            end("closed its input")
        }
        return false
    }

    // MARK: Reading

    private enum Reading {
        case something
        case nothing
        /// This life of the program is over.
        case over
    }

    private func readAnswers(_ child: ChildProgram) -> Reading {
        let count = read(child.output, &buffer, buffer.count)
        if count < 0 { return errno == EINTR ? .something : .nothing }
        guard count > 0 else {
            hasStopped(child, "closed its output")
            return .over
        }
        buffer[..<count].withUnsafeBytes { lines.append($0) }
        while let line = lines.next() {
            do throws(ProgramLine.Mistake) {
                try take(try ProgramLine.parse(line), child)
            } catch {
                end("said \(error.words)")
            }
            guard let current = state.child, current === child else { return .over }
        }
        guard lines.isOverlong else { return .something }
        end("said a line longer than \(Self.lineBytes) bytes")
        return .over
    }

    /// A pipe is closed: mostly as the process is ending, and how it ends says more.
    private func hasStopped(_ child: ChildProgram, _ words: String) {
        end(ChildProgram.wait(child.ending, milliseconds: 100) ? nil : words)
    }

    private func take(_ line: ProgramLine, _ child: ChildProgram) throws(ProgramLine.Mistake) {
        switch (line, state) {
        case (.hello(Self.protocolVersion), .starting):
            state = .up(child)
            talk.startLine(deadline: now + times.request.wholeNanoseconds)
        case (.hello(let version), .starting):
            end("speaks version \(version) of the protocol, and this node \(Self.protocolVersion)", holds: true)
        case (.hello, _): throw ProgramLine.Mistake(words: "a second hello")
        case (.answer, .starting): throw ProgramLine.Mistake(words: "an answer before its hello")
        case (.answer(let id, let answer), _):
            suspects.clear(try talk.answer(id, answer))
            hasAnswered = true
        }
    }

    /// - Returns: whether there may be more.
    private func readErrors(_ child: ChildProgram) -> Bool {
        let count = read(child.errors, &buffer, buffer.count)
        if count > 0 {
            buffer[..<count].withUnsafeBytes { errors.take($0, now: now) }
        } else if count == 0 {
            isDeaf = true
        }
        return count > 0
    }

    private func drainErrors(_ child: ChildProgram) {
        for _ in 0..<Self.lastReads where !readErrors(child) { break }
        errors.finish(now: now)
    }
}
