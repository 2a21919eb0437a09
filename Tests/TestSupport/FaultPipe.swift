#if canImport(Glibc)
    import Glibc
#endif

/// One direction of a proxied connection: bytes come in, stages act on them, bytes go out.
///
/// Belongs to the proxy's one thread.
struct FaultPipe {
    enum Verdict {
        case goOn
        /// RST both ends now.
        case reset
        /// End both directions once everything has gone out.
        case close
    }

    /// What a slow reader may leave behind before its sender has to wait, as in a kernel's buffers.
    private static let maximumBufferedBytes = 256 << 10

    private var stages: [FaultPlan.Stage]
    /// Come in, not acted on.
    private var input: [UInt8] = []
    /// To be sent.
    private var output: [UInt8] = []
    private var position = 0
    private var mask: UInt8 = 0
    private(set) var isStalled = false
    private var isLosing = false
    /// No more bytes come: the source's end, or a stage's.
    private(set) var hasEnded = false
    private(set) var isEndSent = false
    /// Milliseconds of the proxy's clock: nothing is acted on before.
    private var heldUntil: Int64 = 0
    private var speed: (bytes: Int, everyMilliseconds: Int)?
    private var nextSendAt: Int64 = 0
    /// Names of faults that happened, for the proxy to count.
    private(set) var happened: [String] = []

    init(_ stages: [FaultPlan.Stage]) { self.stages = stages }

    /// Whether to read more from the source. A stalled direction takes nothing: its sender's window fills.
    var wantsInput: Bool {
        !hasEnded && !isStalled && input.count + output.count < FaultPipe.maximumBufferedBytes
    }
    func wantsOutput(_ now: Int64) -> Bool { !output.isEmpty && now >= nextSendAt }
    var isDrained: Bool { hasEnded && output.isEmpty && input.isEmpty }

    /// When to look again although no socket says so; nil: never.
    func deadline(_ now: Int64) -> Int64? {
        if !input.isEmpty, !isStalled, heldUntil > now { return heldUntil }
        if !output.isEmpty, nextSendAt > now { return nextSendAt }
        return nil
    }

    mutating func takeHappened() -> [String] {
        defer { happened = [] }
        return happened
    }

    mutating func receive(_ bytes: some Sequence<UInt8>) { input += bytes }
    mutating func sourceEnded() { hasEnded = true }

    /// Moves what may be moved from input to output, through the stages.
    mutating func advance(_ now: Int64) -> Verdict {
        while !input.isEmpty, !isStalled, now >= heldUntil {
            guard let stage = stages.first else {
                pass(input.count)
                break
            }
            let room = stage.position - position
            if room > 0 { pass(min(room, input.count)) }
            guard !input.isEmpty else { break }
            stages.removeFirst()
            happened.append(stage.fault.name)
            switch stage.fault {
            case .reset: return .reset
            case .close:
                end()
                return .close
            case .end: end()
            case .stall: isStalled = true
            case .lose: isLosing = true
            case .garble(let mask): self.mask = mask
            case .replace(let bytes):
                output += bytes
                end()
                return .close
            case .delay(let milliseconds): heldUntil = now + Int64(milliseconds)
            case .slow(let bytes, let interval): speed = (bytes, interval)
            }
        }
        return .goOn
    }

    private mutating func end() {
        input = []
        stages = []
        hasEnded = true
    }

    private mutating func pass(_ count: Int) {
        position += count
        if isLosing {
            input.removeFirst(count)
            return
        }
        if mask == 0 { output += input[..<count] } else { output += input[..<count].map { $0 ^ mask } }
        input.removeFirst(count)
    }

    /// Sends what the socket takes.
    ///
    /// - Returns: false when the destination is gone.
    mutating func send(to descriptor: Int32, _ now: Int64) -> Bool {
        guard wantsOutput(now) else { return true }
        let count = output.withUnsafeBytes { bytes in
            Glibc.send(
                descriptor, bytes.baseAddress, min(bytes.count, speed?.bytes ?? .max),
                Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        }
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        output.removeFirst(count)
        if let speed { nextSendAt = now + Int64(speed.everyMilliseconds) }
        return true
    }

    /// Passes the end on, once all before it is out.
    mutating func sendEnd(to descriptor: Int32) {
        guard isDrained, !isEndSent, !isStalled else { return }
        isEndSent = true
        shutdown(descriptor, Int32(SHUT_WR))
    }
}
