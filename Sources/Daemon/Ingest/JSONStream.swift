import Metrics
import Synchronization
import WALStore

/// One JSON body on its way in: decompressed, decoded and committed slice by slice, or whole for a document.
///
/// Backpressure: while a slice commits, nothing more is read from the sender, so at most one slice is in flight.
final class JSONStream: BodyStream {
    /// `@unchecked`: the C stream in the decompressor, and the digest of what came, are used behind the lock only.
    private struct State: ~Copyable, @unchecked Sendable {
        var decompressor: Decompressor
        /// Decompressed and not yet decoded.
        var plain: [UInt8] = []
        var decoder = JSONRecordDecoder()
        var bodyBytes = 0
        /// Body bytes that no receipt speaks of yet.
        var newBytes = 0
        var isDecoded = false
        var isCommitting = false
        var hasEnded = false
        /// When the body's last byte was here; nil when the answer comes before.
        var endedAt: Int64?
        var isOver = false
        var totals = JSONTotals()
        /// Of lines that may have been sent before.
        var resume: BodyResume?

        init(_ coding: ContentCoding, limit: Int, _ resume: BodyResume?) {
            self.resume = resume
            decompressor = Decompressor(coding, limit: limit)
            decoder.beginStream()
        }
    }
    private struct Slice: Sendable {
        var decoded: DecodedRequest
        var lines: Int
        var bodyBytes: Int
        var mark: RequestMark?

        /// Whether there is nothing to write down about it.
        var isNothing: Bool {
            guard decoded.batch.isEmpty, decoded.refusals.isEmpty else { return false }
            return mark.map { $0.lines.isEmpty && !$0.isLast } ?? true
        }
    }
    private enum Step: Sendable {
        case idle
        /// Find out what is committed of it.
        case ask(ResendName)
        case commit(Slice)

        var pauses: Bool {
            switch self {
            case .idle, .answer: false
            case .ask, .commit: true
            }
        }
        case answer(Reply)
    }
    private let head: RequestHead
    private let isStream: Bool
    /// Of a document: its `Idempotency-Key`.
    private let documentKey: [UInt8]?
    private let ingest: Ingest
    private let ticket: IngestTicket
    private let responder: Responder
    private let limits: IngestLimits
    private let state: Mutex<State>

    init(
        _ head: RequestHead, _ framing: JSONSource.Framing, _ coding: ContentCoding, _ resend: Resend?,
        _ ingest: Ingest, _ ticket: IngestTicket, _ responder: Responder
    ) {
        self.head = head
        isStream = framing == .lines
        if framing == .document, case .key(let key) = resend { documentKey = key } else { documentKey = nil }
        self.ingest = ingest
        self.ticket = ticket
        self.responder = responder
        limits = ingest.policy.limits
        // A stream's buffer holds a slice, the line after it, and what one piece of body decompresses to.
        let plainBytes = isStream ? 4 * limits.sliceBytes + 2 * limits.wire.lineBytes : limits.wire.decodedBytes
        state = Mutex(State(coding, limit: plainBytes, isStream ? resend.map { BodyResume($0) } : nil))
    }

    // MARK: The server's side

    func receive(_ bytes: UnsafeRawBufferPointer) -> StreamStep {
        let step = state.withLock { state -> Step in
            if let reply = take(bytes, &state) { return end(&state, reply) }
            return next(&state)
        }
        run(step)
        return step.pauses ? .pause : .proceed
    }

    func finish() {
        let step = state.withLock { state -> Step in
            state.hasEnded = true
            state.endedAt = MonotonicTime.now()
            do throws(WireError) {
                try state.decompressor.finish(into: &state.plain)
            } catch {
                return end(&state, .undecodable(error))
            }
            return next(&state)
        }
        run(step)
    }

    func abandon() { state.withLock { $0.isOver = true } }

    // MARK: Steps

    private func take(_ bytes: UnsafeRawBufferPointer, _ state: inout State) -> Reply? {
        state.bodyBytes += bytes.count
        state.newBytes += bytes.count
        if !isStream, state.bodyBytes > limits.bodyBytes { return ServerCore.tooLarge(limits.bodyBytes) }
        do throws(WireError) {
            try state.decompressor.feed(bytes, into: &state.plain)
        } catch {
            return .undecodable(error)
        }
        return ticket.hold(bytes: state.plain.count) ? nil : IngestTicket.overloaded
    }

    /// What there is to do: under the lock it is decided and decoded, outside it is done.
    private func next(_ state: inout State) -> Step {
        guard !state.isOver, !state.isCommitting else { return .idle }
        if state.resume != nil, let step = passOver(&state) { return step }
        guard state.hasEnded || (isStream && state.plain.count >= limits.sliceBytes) else { return .idle }
        do throws(WireError) {
            while isStream ? !state.plain.isEmpty : !state.isDecoded {
                let slice = try isStream ? nextLines(&state) : document(&state)
                guard let slice else { return .idle }
                if slice.isNothing {
                    state.totals.committedLines += slice.lines
                    continue
                }
                state.isCommitting = true
                return .commit(slice)
            }
        } catch {
            return end(&state, .undecodable(error))
        }
        guard state.hasEnded else { return .idle }
        guard state.resume?.awaitsClosing == true else { return end(&state, nil) }
        state.isCommitting = true
        let mark = state.resume?.mark([], lines: 0, isInLine: false, isLast: true)
        return .commit(Slice(decoded: DecodedRequest(), lines: 0, bodyBytes: takeNewBytes(&state), mark: mark))
    }

    /// Passes over what was committed by an earlier sending; nil: what comes now was not.
    private func passOver(_ state: inout State) -> Step? {
        guard let resume = state.resume else { return nil }
        guard resume.isAsked else {
            state.isCommitting = true
            return .ask(resume.resend.name)
        }
        do throws(SpoolError) {
            if try state.resume?.passOver(&state.plain, isLast: state.hasEnded) == true {
                state.decoder.beginStream(atLine: Int(state.resume?.passedLines ?? 0) + 1)
            }
        } catch {
            return fail(&state, error)
        }
        guard state.resume?.isRepeat == true else { return nil }
        state.totals.isRepeat = true
        return state.hasEnded ? end(&state, nil) : .idle
    }

    private func fail(_ state: inout State, _ error: SpoolError) -> Step {
        if let lines = error.committedLines { state.totals.committedLines = Int(lines) }
        return end(&state, .failed(error))
    }

    /// - Parameter reply: why it ends early; nil: the whole body is committed.
    private func end(_ state: inout State, _ reply: Reply?) -> Step {
        if state.isOver { return .idle }
        state.isOver = true
        state.plain = []
        let answer =
            reply.map { state.totals.failure($0, isStream: isStream) } ?? state.totals.reply(isStream: isStream)
        var record = IngestRecord(source: JSONSource.name, tenant: ticket.tenant, status: answer.status)
        if let endedAt = state.endedAt { record.nanoseconds = MonotonicTime.now() - endedAt }
        ingest.report(record)
        return .answer(answer)
    }

    private func run(_ step: Step) {
        switch step {
        case .idle: break
        case .answer(let reply): responder.reply(reply)
        case .ask(let name): ask(name)
        case .commit(let slice): commit(slice)
        }
    }

    private func ask(_ name: ResendName) {
        ingest.progress(name, ticket.tenant) { [self] result in
            let step = state.withLock { state -> Step in
                state.isCommitting = false
                do throws(SpoolError) {
                    let former = try result.get()
                    try state.resume?.learn(former)
                    state.totals.begin(former)
                    return next(&state)
                } catch {
                    return fail(&state, error)
                }
            }
            if case .idle = step { responder.proceed() } else { run(step) }
        }
    }

    private func commit(_ slice: Slice) {
        guard ticket.hold(bytes: Ingest.memoryBytes(of: slice.decoded)) else {
            return run(state.withLock { end(&$0, IngestTicket.overloaded) })
        }
        let arrival = Arrival(head, source: JSONSource.name, bodyBytes: slice.bodyBytes)
        let refusals = slice.decoded.refusals
        ingest.store(
            slice.decoded, arrival, mark: slice.mark, tenant: ticket.tenant, ticket: ticket, isPart: true
        ) { [self] result in
            let step = state.withLock { state -> Step in
                state.isCommitting = false
                switch result {
                case .success(let receipt):
                    state.totals.add(receipt, refusals, lines: slice.lines)
                    return next(&state)
                case .failure(let error): return fail(&state, error)
                }
            }
            if case .idle = step { responder.proceed() } else { run(step) }
        }
    }

    // MARK: Decoding

    /// The complete lines at the start of what has come; nil when there is none.
    private func nextLines(_ state: inout State) throws(WireError) -> Slice? {
        let isLast = state.hasEnded
        let hasKey = state.resume?.hasKey == true
        let arrivalTime = ingest.now()
        var (bytes, lines) = (0, 0)
        let slice = try decode(&state) { decoder, plain, limits, request in
            let progress = decoder.decodeLines(
                hasKey && !isLast ? JSONStream.wholeLines(plain) : plain, isLast: isLast, arrivalTime: arrivalTime,
                limits: limits, into: &request)
            (bytes, lines) = (progress.bytes, progress.lines)
        }
        if bytes == 0 { return nil }
        let mark = state.resume?.mark(
            state.plain[..<bytes], lines: lines, isInLine: state.decoder.isInRefusedLine,
            isLast: isLast && bytes == state.plain.count)
        state.plain.removeFirst(bytes)
        return Slice(decoded: slice, lines: lines, bodyBytes: takeNewBytes(&state), mark: mark)
    }

    /// Up to the last line feed, where there is one: a slice that ends inside a line too long to be kept is then that line
    /// alone, and what is committed under a key is whole lines.
    private static func wholeLines(_ plain: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard let end = plain.lastIndex(of: UInt8(ascii: "\n")) else { return plain }
        return UnsafeRawBufferPointer(rebasing: plain[...end])
    }

    private func document(_ state: inout State) throws(WireError) -> Slice {
        let arrivalTime = ingest.now()
        let slice = try decode(&state) { decoder, plain, limits, request throws(WireError) in
            try decoder.decode(plain, arrivalTime: arrivalTime, limits: limits, into: &request)
        }
        let mark = documentKey.map { key in
            let body = IdempotencyKey.body(of: "\(JSONSource.name) document")
            body.update(state.plain)
            return RequestMark(key: key, body: body.current())
        }
        state.plain = []
        state.isDecoded = true
        return Slice(decoded: slice, lines: 0, bodyBytes: takeNewBytes(&state), mark: mark)
    }

    private func takeNewBytes(_ state: inout State) -> Int {
        defer { state.newBytes = 0 }
        return state.newBytes
    }

    private typealias Decode =
        (inout JSONRecordDecoder, UnsafeRawBufferPointer, WireLimits, inout DecodedRequest) throws(WireError) -> Void

    private func decode(_ state: inout State, _ body: Decode) throws(WireError) -> DecodedRequest {
        // Taken out, so that the buffer can be read while the decoder beside it changes.
        var plain: [UInt8] = []
        swap(&plain, &state.plain)
        defer { swap(&plain, &state.plain) }
        let limits = limits.wire
        return try ingest.pool.withContext(reading: plain.count) { context throws(WireError) in
            var failure: WireError?
            plain.withUnsafeBytes { bytes in
                do throws(WireError) { try body(&state.decoder, bytes, limits, &context.decoded) } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            return context.decoded
        }
    }
}
