import Metrics
import WALStore

/// Where the lines of a body go on, when some of it may be committed: passes over what is, and marks the rest.
struct BodyResume {
    private enum Phase {
        /// The spool has not said yet.
        case unknown
        /// Lines that are committed are at the front.
        case passing
        /// All was committed by another sending, if it is the same to its end.
        case comparing
        case going
    }
    let resend: Resend
    private var phase = Phase.unknown
    /// What was committed when the spool was asked.
    private(set) var former = ResendProgress()
    /// Lines at the front that are committed.
    private var left: Int64 = 0
    /// Lines of the body that are behind.
    private(set) var passedLines: Int64 = 0
    /// Of the body of a request with a key, as far as it is behind.
    private let digest: SHA256?
    /// What the next mark goes on from.
    private var marked: (lines: Int64, body: [UInt8]) = (0, [])
    /// All is committed, or being committed, and the mark says so.
    private var isClosed = false

    init(_ resend: Resend) {
        self.resend = resend
        if case .key = resend { digest = IdempotencyKey.body(of: "\(JSONSource.name) lines") } else { digest = nil }
        marked.body = digest?.current() ?? []
    }

    var hasKey: Bool { digest != nil }
    var isAsked: Bool { phase != .unknown }
    /// Nothing of the body is to be committed: an earlier sending was, whole.
    var isRepeat: Bool { phase == .comparing }
    /// The end of the body came behind the last slice, and is still to be marked.
    var awaitsClosing: Bool { digest != nil && phase == .going && !isClosed }

    /// Takes what the spool knows.
    ///
    /// - Throws: `.outOfStep` when the body begins behind a gap.
    mutating func learn(_ progress: ResendProgress?) throws(SpoolError) {
        former = progress ?? ResendProgress()
        left = former.committedLines
        marked.lines = former.committedLines
        if case .stream(_, let from) = resend {
            guard from <= former.committedLines else {
                var gap = SpoolError(
                    .outOfStep,
                    "\(former.committedLines) lines of the stream are committed, and this begins behind \(from)")
                gap.committedLines = former.committedLines
                throw gap
            }
            left -= from
        }
        phase = former.isComplete ? .comparing : left > 0 ? .passing : .going
    }

    /// Takes from the front of `plain` what is committed already.
    ///
    /// - Returns: whether the first line that is not has just been reached.
    /// - Throws: `.otherRequest` when what was sent with the key before was another body.
    mutating func passOver(_ plain: inout [UInt8], isLast: Bool) throws(SpoolError) -> Bool {
        switch phase {
        case .unknown, .going: return false
        case .comparing:
            digest?.update(plain)
            plain = []
            if isLast, digest?.current() != former.body { throw .otherRequest }
            return false
        case .passing: break
        }
        let bytes = passLines(plain, isLast: isLast)
        digest?.update(plain[..<bytes])
        plain.removeFirst(bytes)
        if left == 0 { phase = .going }
        if let digest {
            if left == 0 ? digest.current() != former.body : isLast { throw .otherRequest }
            marked.body = former.body
        }
        return left == 0
    }

    /// - Returns: the bytes of `plain` that are behind.
    private mutating func passLines(_ plain: [UInt8], isLast: Bool) -> Int {
        plain.withUnsafeBytes { plain in
            var bytes = 0
            while left > 0, bytes < plain.count {
                let rest = UnsafeRawBufferPointer(rebasing: plain[bytes...])
                let newline = ByteSearch.first(UInt8(ascii: "\n"), in: rest)
                bytes += newline.map { $0 + 1 } ?? rest.count
                // The last line needs no line feed.
                guard newline != nil || isLast else { break }
                left -= 1
                passedLines += 1
            }
            return bytes
        }
    }

    /// The mark of a slice that was just decoded.
    ///
    /// - Parameters:
    ///   - bytes: of the slice.
    ///   - lines: that begin in it.
    ///   - isInLine: it ends inside a refused line. A later sending with the key begins with that line again: what is
    ///     passed over has to be whole lines.
    mutating func mark(_ bytes: ArraySlice<UInt8>, lines: Int, isInLine: Bool, isLast: Bool) -> RequestMark {
        let first = marked.lines
        passedLines += Int64(lines)
        switch resend {
        case .stream(let id, _):
            marked.lines += Int64(lines)
            return RequestMark(stream: id, lines: first..<marked.lines)
        case .key(let key):
            digest?.update(bytes)
            if !isInLine { marked = (passedLines, digest?.current() ?? []) }
            isClosed = isLast
            return RequestMark(key: key, lines: first..<marked.lines, body: marked.body, isLast: isLast)
        }
    }
}
