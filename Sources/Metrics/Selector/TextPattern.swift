/// A regular expression in the words that RE2 and Prometheus share, held against a whole text.
///
/// It is run as a set of states, one step a character: time grows with the text times the length of the expression, never
/// faster, whatever the expression is. <https://swtch.com/~rsc/regexp/regexp1.html>
///
/// Known: literals, `.` (also a line's end), `[a-z]`, `[^a-z]`, `\d \w \s` and their opposites, escaped signs and `\n \t
/// \r \f \v \xHH`, groups `(…)`, `(?P<name>…)` and `(?:…)`, `|`, `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`, `^` and `$`. Whether a
/// repetition is greedy makes no difference to a whole text. What is not known is an error, not a literal.
public struct TextPattern: Sendable, Hashable {
    /// Steps of a compiled expression, at most: `{n,m}` is written out.
    public static let maximumSteps = 1000

    enum Step: Sendable, Hashable {
        case character(CharacterSet)
        /// Goes on at both; at the first one rather, where it is asked which part of the text is whose.
        case split(Int, Int)
        case jump(Int)
        case start
        case end
        /// Notes where the text is; only in a `CapturingPattern`.
        case mark(Int)
    }

    public let source: String
    /// Its end is where the text has to have led.
    let steps: [Step]

    public init(_ source: String) throws(SelectorError) {
        var parser = PatternParser(source)
        let tree = try parser.whole()
        var compiler = PatternCompiler()
        try compiler.add(tree)
        self.source = source
        steps = compiler.steps
    }

    public static func == (left: TextPattern, right: TextPattern) -> Bool { left.steps == right.steps }
    public func hash(into hasher: inout Hasher) { hasher.combine(steps) }

    public func matches(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
    }

    /// - Parameter bytes: UTF-8; what is not counts as U+FFFD.
    public func matches(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var states = PatternStates(steps)
        states.add(0, isStart: true, isEnd: bytes.isEmpty)
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var next = PatternStates.scalar(&decoder, &iterator)
        while let scalar = next {
            next = PatternStates.scalar(&decoder, &iterator)
            states.advance(over: scalar, isEnd: next == nil)
            if states.isEmpty { return false }
        }
        return states.isDone
    }
}

/// Where an expression may be after a part of the text.
private struct PatternStates {
    private let steps: [TextPattern.Step]
    private var current: [Int] = []
    private var seen: [Bool]
    private var waiting: [Int] = []

    init(_ steps: [TextPattern.Step]) {
        self.steps = steps
        seen = Array(repeating: false, count: steps.count + 1)
    }

    var isEmpty: Bool { current.isEmpty }
    var isDone: Bool { seen[steps.count] }

    static func scalar(
        _ decoder: inout UTF8, _ iterator: inout UnsafeRawBufferPointer.Iterator
    ) -> Unicode.Scalar? {
        switch decoder.decode(&iterator) {
        case .scalarValue(let scalar): scalar
        case .emptyInput: nil
        case .error: "\u{FFFD}"
        }
    }

    /// Goes from a step to all that need no character.
    mutating func add(_ first: Int, isStart: Bool, isEnd: Bool) {
        waiting.append(first)
        while let at = waiting.popLast() {
            if seen[at] { continue }
            seen[at] = true
            current.append(at)
            guard at < steps.count else { continue }
            switch steps[at] {
            case .character: break
            case .split(let one, let other): waiting += [one, other]
            case .jump(let target): waiting.append(target)
            case .mark: waiting.append(at + 1)
            case .start: if isStart { waiting.append(at + 1) }
            case .end: if isEnd { waiting.append(at + 1) }
            }
        }
    }

    mutating func advance(over scalar: Unicode.Scalar, isEnd: Bool) {
        let before = current
        current.removeAll(keepingCapacity: true)
        for at in before { seen[at] = false }
        for at in before where at < steps.count {
            if case .character(let set) = steps[at], set.contains(scalar) {
                add(at + 1, isStart: false, isEnd: isEnd)
            }
        }
    }
}
