/// Writes a regular expression out as steps.
struct PatternCompiler {
    private(set) var steps: [TextPattern.Step] = []
    /// Whether there are steps that say where groups begin and end.
    private let keepsGroups: Bool

    init(keepsGroups: Bool = false) { self.keepsGroups = keepsGroups }

    private mutating func append(_ step: TextPattern.Step) throws(SelectorError) {
        guard steps.count < TextPattern.maximumSteps else {
            throw SelectorError("too long: more than \(TextPattern.maximumSteps) steps", at: 0)
        }
        steps.append(step)
    }

    mutating func add(_ tree: PatternTree) throws(SelectorError) {
        switch tree {
        case .nothing: break
        case .character(let set): try append(.character(set))
        case .start: try append(.start)
        case .end: try append(.end)
        case .sequence(let parts): for part in parts { try add(part) }
        case .either(let parts): try add(either: parts[...])
        case .repeated(let part, let least, let most, let isGreedy): try add(part, least, most, isGreedy)
        case .group(let part, let number):
            if keepsGroups { try append(.mark(2 * number)) }
            try add(part)
            if keepsGroups { try append(.mark(2 * number + 1)) }
        }
    }

    private mutating func add(either parts: ArraySlice<PatternTree>) throws(SelectorError) {
        var ends: [Int] = []
        for part in parts.dropLast() {
            let split = steps.count
            try append(.split(split + 1, split + 1))
            try add(part)
            ends.append(steps.count)
            try append(.jump(0))
            steps[split] = .split(split + 1, steps.count)
        }
        if let last = parts.last { try add(last) }
        for end in ends { steps[end] = .jump(steps.count) }
    }

    private mutating func add(_ part: PatternTree, _ least: Int, _ most: Int?, _ isGreedy: Bool) throws(SelectorError) {
        // What takes no character is the same once and a thousand times.
        let before = steps.count
        for _ in 0..<least {
            try add(part)
            if steps.count == before { return }
        }
        guard let most else {
            let split = steps.count
            try append(.split(split + 1, split + 1))
            try add(part)
            try append(.jump(split))
            steps[split] = PatternCompiler.split(split + 1, steps.count, isGreedy)
            return
        }
        var splits: [Int] = []
        for _ in least..<most {
            splits.append(steps.count)
            try append(.split(0, 0))
            try add(part)
        }
        for split in splits { steps[split] = PatternCompiler.split(split + 1, steps.count, isGreedy) }
    }

    /// The way that is tried first comes first.
    private static func split(_ into: Int, _ past: Int, _ isGreedy: Bool) -> TextPattern.Step {
        isGreedy ? .split(into, past) : .split(past, into)
    }
}
