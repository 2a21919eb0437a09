import Metrics

/// Finds the lines of a body that an InfluxDB refused, by what it said.
struct InfluxDBLines {
    let table: LineTable
    /// Before compression.
    let body: [UInt8]

    struct Verdict {
        /// Lines that are refused for good, 0-based, with the server's words about them.
        var refused: [(lines: [Int], words: String)]
        /// Whether every line that is not named is stored; else those go out again.
        var othersAreStored: Bool
    }

    /// How many lines an InfluxDB 3 names in one answer at most: with so many there may be more of them.
    private static let mostListed = 100

    // MARK: InfluxDB 3

    /// `"data"` of version 3: a list of `{original_line, line_number, error_message}`, or one of those where it was not
    /// told to accept the rest.
    ///
    /// - Returns: nil unless each entry names a line of this body: its number and its text have to agree.
    func listed(_ data: JSONValue) -> Verdict? {
        let isAlone = data.object != nil
        guard let entries = isAlone ? [data] : data.array, !entries.isEmpty else { return nil }
        var refused: [(lines: [Int], words: String)] = []
        var seen: Set<Int> = []
        for entry in entries {
            guard let number = entry["line_number"]?.int, let words = entry["error_message"]?.string,
                number >= 1, number <= table.count
            else { return nil }
            let line = Int(number) - 1
            let text = table.text(line, in: body)
            guard let original = entry["original_line"]?.string, !original.isEmpty, text.starts(with: original.utf8)
            else { return nil }
            if seen.insert(line).inserted { refused.append(([line], words)) }
        }
        return Verdict(refused: refused, othersAreStored: !isAlone && entries.count < InfluxDBLines.mostListed)
    }

    // MARK: InfluxDB 1 and 2

    private static let unparsedOpening = Array("unable to parse '".utf8)
    private static let partialOpening = Array("partial write: ".utf8)

    /// `unable to parse 'LINE': REASON`, for each such line one, in the body's order. Behind `partial write: ` the others are
    /// stored; without it nothing is.
    ///
    /// - Returns: nil unless the words are that and nothing else, to their end.
    func unparsed(_ words: String) -> Verdict? {
        var rest = Array(words.utf8)[...]
        let isPartial = rest.starts(with: InfluxDBLines.partialOpening)
        if isPartial {
            guard let count = InfluxDBLines.dropped(in: words), count.number == 0 else { return nil }
            rest = rest.dropFirst(InfluxDBLines.partialOpening.count).dropLast(count.length)
        }
        var refused: [(lines: [Int], words: String)] = []
        for line in 0..<table.count {
            if rest.isEmpty { break }
            let text = table.text(line, in: body)
            let opening = InfluxDBLines.unparsedOpening + text + Array("': ".utf8)
            guard rest.starts(with: opening) else { continue }
            rest = rest.dropFirst(opening.count)
            let reason = rest.prefix(InfluxDBLines.reasonLength(rest))
            rest = rest.dropFirst(reason.count).dropFirst()
            refused.append(([line], String(decoding: reason, as: UTF8.self)))
        }
        guard rest.isEmpty, !refused.isEmpty else { return nil }
        return Verdict(refused: refused, othersAreStored: isPartial)
    }

    /// Up to the line feed before the next line that is named.
    private static func reasonLength(_ rest: ArraySlice<UInt8>) -> Int {
        var at = rest.startIndex
        while let feed = rest[at...].firstIndex(of: 10) {
            if rest[(feed + 1)...].starts(with: unparsedOpening) { return feed - rest.startIndex }
            at = feed + 1
        }
        return rest.count
    }

    private static let retention = "partial write: points beyond retention policy dropped="

    /// `points beyond retention policy dropped=N`: a shard group takes all that is younger than its start, so those are the
    /// N oldest. Of the others it says nothing (a line that cannot be parsed is not told of beside it): they go out again.
    ///
    /// - Returns: nil where it cannot be told which the N oldest are.
    func beyondRetention(_ words: String) -> Verdict? {
        guard let dropped = InfluxDBLines.dropped(in: words), (1...table.count).contains(dropped.number),
            words.hasSuffix(InfluxDBLines.retention + "\(dropped.number)")
        else { return nil }
        var aged: [(time: Int64, line: Int)] = []
        for line in 0..<table.count {
            guard let time = time(of: line) else { return nil }
            aged.append((time, line))
        }
        aged.sort { $0 < $1 }
        if dropped.number < aged.count, aged[dropped.number].time == aged[dropped.number - 1].time { return nil }
        return Verdict(refused: [(aged.prefix(dropped.number).map(\.line), words)], othersAreStored: false)
    }

    /// Nanoseconds: what stands behind a line's last blank.
    private func time(of line: Int) -> Int64? {
        let text = table.text(line, in: body)
        guard let blank = text.lastIndex(of: UInt8(ascii: " ")) else { return nil }
        return Int64(String(decoding: text[(blank + 1)...], as: UTF8.self))
    }

    /// The number of ` dropped=N` at the end of `words`, and how long that is.
    private static func dropped(in words: String) -> (number: Int, length: Int)? {
        let opening = Array(" dropped=".utf8)
        let digits = words.utf8.reversed().prefix { (48...57).contains($0) }.count
        let ending = words.utf8.suffix(digits + opening.count)
        guard digits > 0, ending.starts(with: opening),
            let number = Int(String(decoding: ending.suffix(digits), as: UTF8.self))
        else { return nil }
        return (number, ending.count)
    }
}
