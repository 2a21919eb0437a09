import WALStore

/// What a program says on its standard error, as events: so many lines in a while, and none longer than is read.
struct ProgramErrors {
    static let lineBytes = 1024
    static let linesAtOnce = 20
    /// Nanoseconds.
    static let window: Int64 = 10_000_000_000

    private let name: String
    private let events: EventSink
    private var line: [UInt8] = []
    /// Of the current line, beyond what is kept.
    private var isCut = false
    private var windowEnd: Int64 = 0
    private var lines = 0
    private var dropped = 0

    init(name: String, events: @escaping EventSink) {
        self.name = name
        self.events = events
    }

    mutating func take(_ bytes: UnsafeRawBufferPointer, now: Int64) {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                finish(now: now)
            } else if line.count < Self.lineBytes {
                line.append(byte)
            } else {
                isCut = true
            }
        }
    }

    /// The end of the stream ends the last line.
    mutating func finish(now: Int64) {
        defer { (line, isCut) = ([], false) }
        let text = Excerpt.of(line)
        guard !text.isEmpty else { return }
        if now >= windowEnd {
            if dropped > 0 { tell("the program of a backend said more than is logged", ["lines": "\(dropped)"]) }
            (lines, dropped, windowEnd) = (0, 0, now + Self.window)
        }
        guard lines < Self.linesAtOnce else {
            dropped += 1
            return
        }
        lines += 1
        tell("the program of a backend said something", ["line": isCut ? text + " ..." : text])
    }

    private func tell(_ message: StaticString, _ metadata: [String: String]) {
        events(Event(.info, message, metadata.merging(["backend": name]) { $1 }))
    }
}
