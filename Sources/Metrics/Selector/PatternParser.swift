/// A regular expression as it was read.
indirect enum PatternTree: Sendable {
    case nothing
    case character(CharacterSet)
    case start
    case end
    case sequence([PatternTree])
    case either([PatternTree])
    /// `most` nil: without end. A greedy one takes as much as it can; which parts of a text the groups get depends on it.
    case repeated(PatternTree, least: Int, most: Int?, isGreedy: Bool)
    /// A part of the text to remember, by number; the first is 1.
    case group(PatternTree, Int)
}

/// Reads a regular expression. <https://github.com/google/re2/wiki/Syntax>
struct PatternParser {
    private static let maximumDepth = 50
    /// As in RE2.
    private static let maximumRepeats = 1000

    private let scalars: [Unicode.Scalar]
    private var at = 0
    private var depth = 0
    /// Names of the groups, in the order of their opening; empty for those without one.
    private(set) var groups: [String] = []

    init(_ source: String) { scalars = Array(source.unicodeScalars) }

    private var next: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

    private func fault(_ message: String) -> SelectorError {
        SelectorError(message, at: scalars[..<at].reduce(0) { $0 + UTF8.width($1) })
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        at += 1
        return true
    }

    mutating func whole() throws(SelectorError) -> PatternTree {
        let tree = try alternatives()
        guard next == nil else { throw fault("\")\" without \"(\"") }
        return tree
    }

    private mutating func alternatives() throws(SelectorError) -> PatternTree {
        depth += 1
        defer { depth -= 1 }
        guard depth <= PatternParser.maximumDepth else { throw fault("groups nested too deep") }
        var found = [try sequence()]
        while take("|") { found.append(try sequence()) }
        return found.count == 1 ? found[0] : .either(found)
    }

    private mutating func sequence() throws(SelectorError) -> PatternTree {
        var parts: [PatternTree] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            let atom = try atom()
            parts.append(try repeated(atom))
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    // MARK: Repetitions

    private mutating func repeated(_ atom: PatternTree) throws(SelectorError) -> PatternTree {
        guard let (least, most) = try bounds() else { return atom }
        let isGreedy = !take("?")
        let (another, here) = (try bounds(), at)
        guard another == nil else {
            at = here
            throw fault("a repetition of a repetition: put it in a group")
        }
        return .repeated(atom, least: least, most: most, isGreedy: isGreedy)
    }

    private mutating func bounds() throws(SelectorError) -> (least: Int, most: Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        guard next == "{" else { return nil }
        let start = at
        at += 1
        guard let least = number() else {
            at = start
            throw fault("{ without numbers is written \\{")
        }
        var most: Int? = least
        if take(",") { most = next == "}" ? nil : number() ?? -1 }
        guard take("}") else { throw fault("\"}\" is expected") }
        guard least <= PatternParser.maximumRepeats, (most ?? least) <= PatternParser.maximumRepeats,
            (most ?? least) >= least
        else {
            at = start
            throw fault("not a repetition from 0 to \(PatternParser.maximumRepeats)")
        }
        return (least, most)
    }

    private mutating func number() -> Int? {
        let start = at
        while let scalar = next, ("0"..."9").contains(scalar), at - start < 5 { at += 1 }
        return Int(String(String.UnicodeScalarView(scalars[start..<at])))
    }

    // MARK: Atoms

    private mutating func atom() throws(SelectorError) -> PatternTree {
        guard let scalar = next else { return .nothing }
        switch scalar {
        case "*", "+", "?", "{": throw fault("nothing to repeat")
        case "(": return try group()
        case "[": return .character(try bracket())
        case "\\":
            at += 1
            if next == "A" || next == "z" {
                at += 1
                return scalars[at - 1] == "A" ? .start : .end
            }
            return .character(try escape())
        default: at += 1
        }
        switch scalar {
        case ".": return .character(.any)
        case "^": return .start
        case "$": return .end
        default: return .character(CharacterSet(scalar))
        }
    }

    private mutating func group() throws(SelectorError) -> PatternTree {
        let start = at
        at += 1
        let isPlain = !take("?")
        let isKept = isPlain || !take(":")
        if isKept { groups.append(isPlain ? "" : try name()) }
        let number = groups.count
        let tree = try alternatives()
        guard take(")") else {
            at = start
            throw fault("\"(\" without \")\"")
        }
        return isKept ? .group(tree, number) : tree
    }

    /// Of a group: `(?P<name>…)` or `(?<name>…)`.
    private mutating func name() throws(SelectorError) -> String {
        _ = take("P")
        guard take("<") else { throw fault("only (?:…) and (?P<name>…) are known of the groups with a question mark") }
        let start = at
        while let scalar = next, PatternParser.isOfName(scalar) { at += 1 }
        let name = String(String.UnicodeScalarView(scalars[start..<at]))
        guard !name.isEmpty, take(">") else { throw fault("a group's name is of letters, digits and _") }
        guard !groups.contains(where: { ExactText($0) == ExactText(name) }) else {
            at = start
            throw fault("two groups have one name")
        }
        return name
    }

    private static func isOfName(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "_" || scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
    }

    /// Behind a backslash.
    private mutating func escape() throws(SelectorError) -> CharacterSet {
        guard let scalar = next else { throw fault("a backslash at the end") }
        if let set = CharacterSet(class: scalar) {
            at += 1
            return set
        }
        return CharacterSet(try escapedScalar())
    }

    private mutating func escapedScalar() throws(SelectorError) -> Unicode.Scalar {
        guard let scalar = next else { throw fault("a backslash at the end") }
        let plain: [Unicode.Scalar: Unicode.Scalar] = [
            "n": "\n", "t": "\t", "r": "\r", "f": "\u{0C}", "v": "\u{0B}", "a": "\u{07}",
        ]
        if let meant = plain[scalar] {
            at += 1
            return meant
        }
        if scalar == "x" { return try hexadecimal() }
        guard scalar.isASCII, !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar) else {
            throw fault("\\\(scalar) is not known")
        }
        at += 1
        return scalar
    }

    /// `\xHH`
    private mutating func hexadecimal() throws(SelectorError) -> Unicode.Scalar {
        let digits = scalars[(at + 1)...].prefix(2)
        guard digits.count == 2, digits.allSatisfy({ $0.properties.isASCIIHexDigit }),
            let value = UInt8(String(String.UnicodeScalarView(digits)), radix: 16)
        else { throw fault("\\x needs two hexadecimal digits") }
        at += 3
        return Unicode.Scalar(value)
    }

    /// `[a-z_]`
    private mutating func bracket() throws(SelectorError) -> CharacterSet {
        let start = at
        at += 1
        var set = CharacterSet(ranges: [], isNegated: take("^"))
        var isFirst = true
        while let scalar = next, scalar != "]" || isFirst {
            isFirst = false
            if scalar == "[", at + 1 < scalars.count, scalars[at + 1] == ":" {
                throw fault("[:names:] of classes are not known")
            }
            if scalar == "\\", at + 1 < scalars.count, let known = CharacterSet(class: scalars[at + 1]) {
                at += 2
                set.formUnion(known)
                continue
            }
            let first = try member()
            guard next == "-", at + 1 < scalars.count, scalars[at + 1] != "]" else {
                set.ranges.append(first.value...first.value)
                continue
            }
            at += 1
            let last = try member()
            guard first <= last else { throw fault("a range that goes backwards") }
            set.ranges.append(first.value...last.value)
        }
        guard take("]") else {
            at = start
            throw fault("\"[\" without \"]\"")
        }
        return set
    }

    private mutating func member() throws(SelectorError) -> Unicode.Scalar {
        guard let scalar = next else { throw fault("\"]\" is expected") }
        at += 1
        return scalar == "\\" ? try escapedScalar() : scalar
    }
}
