/// A regular expression, as `TextPattern` reads it, that says which parts of a text its groups stand for.
///
/// Held against a whole text. Of the ways to read it the one counts that Perl, RE2 and Go take: alternatives from the left,
/// greedy repetitions as long as they can be. It is run as a set of states in the order in which they are preferred: time grows
/// with the text times the length of the expression. <https://swtch.com/~rsc/regexp/regexp2.html>
public struct CapturingPattern: Sendable, Hashable {
    public let source: String
    /// Names of the groups from the first on; empty for those without.
    let names: [String]
    private let steps: [TextPattern.Step]
    /// Everything, as one group: `(.*)`, which most rules have.
    private let isWhole: Bool

    /// Groups at most: each state of a run keeps two places for each.
    public static let maximumGroups = 50

    public init(_ source: String) throws(SelectorError) {
        var parser = PatternParser(source)
        let tree = try parser.whole()
        guard parser.groups.count <= CapturingPattern.maximumGroups else {
            throw SelectorError("more than \(CapturingPattern.maximumGroups) groups", at: 0)
        }
        var compiler = PatternCompiler(keepsGroups: true)
        try compiler.add(tree)
        self.source = source
        names = parser.groups
        steps = compiler.steps
        isWhole = source == "(.*)"
    }

    public static func == (left: CapturingPattern, right: CapturingPattern) -> Bool {
        ExactText(left.source) == ExactText(right.source)
    }
    public func hash(into hasher: inout Hasher) { hasher.combine(ExactText(source)) }

    /// What the groups stand for; nil where the text is not of the expression. The first is the whole text; nil for a group
    /// that had no part in it.
    ///
    /// - Parameter text: UTF-8; what is not counts as U+FFFD.
    public func groups(in text: [UInt8]) -> [Range<Int>?]? {
        if isWhole { return [0..<text.count, 0..<text.count] }
        var run = PatternRun(steps, places: 2 * (names.count + 1))
        var decoder = UTF8()
        var iterator = text.makeIterator()
        var at = 0
        run.begin(isEnd: text.isEmpty)
        while let scalar = CapturingPattern.scalar(&decoder, &iterator) {
            at = min(text.count, at + CapturingPattern.width(scalar, text, at))
            run.advance(over: scalar, to: at, isEnd: at == text.count)
            if run.isOver { return nil }
        }
        guard var places = run.end else { return nil }
        (places[0], places[1]) = (0, text.count)
        return stride(from: 0, to: places.count, by: 2).map { index -> Range<Int>? in
            let (start, end) = (places[index], places[index + 1])
            return start >= 0 && end >= start ? start..<end : nil
        }
    }

    private static func scalar(_ decoder: inout UTF8, _ iterator: inout [UInt8].Iterator) -> Unicode.Scalar? {
        switch decoder.decode(&iterator) {
        case .scalarValue(let scalar): scalar
        case .emptyInput: nil
        case .error: "\u{FFFD}"
        }
    }

    /// Bytes that a scalar was read from.
    private static func width(_ scalar: Unicode.Scalar, _ text: [UInt8], _ at: Int) -> Int {
        let width = UTF8.width(scalar)
        // What is no UTF-8 is taken byte by byte.
        guard scalar == "\u{FFFD}" else { return width }
        return at + 2 < text.count && text[at] == 0xEF && text[at + 1] == 0xBF && text[at + 2] == 0xBD ? 3 : 1
    }
}

/// The states of a run, the preferred one first.
private struct PatternRun {
    private struct State {
        var step: Int
        /// Where groups begin and end; -1 for what has not been met.
        var places: [Int]
    }

    private let steps: [TextPattern.Step]
    private var states: [State] = []
    private var seen: [Bool]
    private let none: [Int]

    init(_ steps: [TextPattern.Step], places: Int) {
        self.steps = steps
        seen = Array(repeating: false, count: steps.count + 1)
        none = Array(repeating: -1, count: places)
    }

    var isOver: Bool { states.isEmpty }
    /// Of the preferred way to the end of the expression; nil where there is none.
    var end: [Int]? { states.first { $0.step == steps.count }?.places }

    mutating func begin(isEnd: Bool) { add(0, none, at: 0, isEnd: isEnd) }

    mutating func advance(over scalar: Unicode.Scalar, to place: Int, isEnd: Bool) {
        let before = states
        states.removeAll(keepingCapacity: true)
        for index in seen.indices { seen[index] = false }
        for state in before where state.step < steps.count {
            if case .character(let set) = steps[state.step], set.contains(scalar) {
                add(state.step + 1, state.places, at: place, isEnd: isEnd)
            }
        }
    }

    /// Goes from a step to all that need no character, in their order.
    private mutating func add(_ first: Int, _ places: [Int], at place: Int, isEnd: Bool) {
        var waiting = [State(step: first, places: places)]
        while var state = waiting.popLast() {
            if seen[state.step] { continue }
            seen[state.step] = true
            guard state.step < steps.count else {
                states.append(state)
                continue
            }
            switch steps[state.step] {
            case .character: states.append(state)
            case .split(let rather, let other):
                waiting.append(State(step: other, places: state.places))
                state.step = rather
                waiting.append(state)
            case .jump(let target):
                state.step = target
                waiting.append(state)
            case .start where place == 0, .end where isEnd:
                state.step += 1
                waiting.append(state)
            case .start, .end: break
            case .mark(let index):
                state.places[index] = place
                state.step += 1
                waiting.append(state)
            }
        }
    }
}
