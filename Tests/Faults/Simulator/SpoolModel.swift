import WALStore

/// What the oracle knows of one spool: which number each position has, and what every backend's every point has come to.
final class SpoolModel {
    enum Fate: UInt8 {
        case unknown, pending, confirmed, assumed, dead, lost, excluded
        /// Excluded without a row: before the backend came, or while it was away.
        case skipped
    }

    struct Broken: Error, CustomStringConvertible { var description: String }

    let incarnation: [UInt8]
    /// Whether every fate shows in some audit before its row is pruned.
    var isExact: Bool
    /// The number at each position; -1 where no audit saw the row.
    private(set) var numbers: [Int] = []
    private var rows: [SpoolAudit.Row] = []
    private(set) var fates: [Int64: [Fate]] = [:]
    /// As they were before this audit.
    private var fatesBefore: [Int64: [Fate]] = [:]
    /// Up to here there is nothing more to see. Not the last row's: of a file that goes on for one that was set aside, the
    /// rows that were carried over are not looked at, and there may be no others.
    private(set) var lastSequence: Int64 = 0

    init(incarnation: [UInt8], isExact: Bool) {
        self.incarnation = incarnation
        self.isExact = isExact
    }

    // MARK: Rows

    /// Numbers by sequence, as acknowledged: rows that were pruned before an audit saw them are known by these.
    private var acknowledged: [Int64: [(first: Int64, numbers: Range<Int>)]] = [:]

    func acknowledge(_ receipt: AppendReceipt, _ numbers: Range<Int>) {
        var first = numbers.lowerBound
        for places in receipt.places where !places.isEmpty {
            let count = Int(places.end.ordinal - places.start.ordinal)
            acknowledged[places.start.sequence, default: []].append((places.start.ordinal, first..<first + count))
            first += count
        }
    }

    /// Rows behind the last known one that were acknowledged and are gone.
    private func goneRows(_ audit: SpoolAudit) -> [(sequence: Int64, numbers: [Int])] {
        let seen = Set(audit.rows.map(\.sequence))
        let gone = acknowledged.filter {
            $0.key > lastSequence && $0.key < audit.nextSequence && !seen.contains($0.key)
        }
        return gone.sorted { $0.key < $1.key }.map { sequence, parts in
            (sequence, parts.sorted { $0.first < $1.first }.flatMap { Array($0.numbers) })
        }
    }

    func add(_ audit: SpoolAudit) throws(Broken) {
        guard audit.nextSequence > lastSequence, audit.nextPosition >= numbers.count else {
            throw Broken(
                description: "the spool ends at \(audit.nextSequence)/\(audit.nextPosition), it had \(lastSequence)")
        }
        defer { acknowledged = [:] }
        fatesBefore = fates
        var gone = goneRows(audit)[...]
        func addGone(before sequence: Int64) {
            while let row = gone.first, row.sequence < sequence {
                rows.append(
                    SpoolAudit.Row(sequence: row.sequence, position: Int64(numbers.count), numbers: row.numbers))
                numbers += row.numbers
                gone.removeFirst()
            }
        }
        for row in audit.rows {
            addGone(before: row.sequence)
            guard row.position >= numbers.count else {
                throw Broken(description: "position \(row.position) is given twice")
            }
            numbers += Array(repeating: -1, count: Int(row.position) - numbers.count)
            numbers += row.numbers
            rows.append(row)
        }
        addGone(before: .max)
        guard numbers.count <= audit.nextPosition else {
            throw Broken(description: "\(numbers.count) points acknowledged, the spool has \(audit.nextPosition)")
        }
        numbers += Array(repeating: -1, count: Int(audit.nextPosition) - numbers.count)
        lastSequence = audit.nextSequence - 1
    }

    /// The first row at or behind a sequence.
    private func index(_ sequence: Int64) -> Int {
        var (low, high) = (0, rows.count)
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func row(_ sequence: Int64) -> SpoolAudit.Row? {
        let index = index(sequence)
        return index < rows.count && rows[index].sequence == sequence ? rows[index] : nil
    }

    /// nil for a place in a row that no audit saw.
    private func position(_ place: Place) -> Int? {
        let index = index(place.sequence)
        guard index < rows.count else { return place.ordinal == 0 ? numbers.count : nil }
        if rows[index].sequence == place.sequence { return Int(rows[index].position + place.ordinal) }
        return place.ordinal == 0 ? Int(rows[index].position) : nil
    }

    private func positions(_ stretch: SpoolAudit.Stretch) -> Range<Int>? {
        guard let start = position(stretch.start), let end = position(stretch.end), start <= end,
            Int64(end - start) == stretch.points
        else { return nil }
        return start..<end
    }

    /// Of a loss among whose places only some are lost.
    private func bounds(_ stretch: SpoolAudit.Stretch) -> Range<Int>? {
        guard let start = position(stretch.start), let end = position(stretch.end), start <= end else { return nil }
        return start..<end
    }

    // MARK: Fates

    /// Takes what the audit says of one backend, and checks it against what was known.
    ///
    /// - Parameter heirs: backends that may take over what this one is owed.
    /// - Returns: positions whose end is new.
    func take(
        _ backend: SpoolAudit.Backend, heirs: [SpoolAudit.Backend], _ audit: SpoolAudit
    ) throws(Broken) -> [Int] {
        let found = try read(backend, audit)
        let gained = try gained(heirs, audit)
        let known = fates[backend.id] ?? []
        let buried = audit.losses.filter { $0.backend == backend.id && $0.kind.hasPrefix("dead_letter") }
            .compactMap(bounds)
        var now = found
        var changed: [Int] = []
        for position in found.indices {
            let before = position < known.count ? known[position] : .unknown
            now[position] = try next(before, found[position], backend, position)
            // A point that was skipped may have been owed after all meanwhile: a backend that came back had a backfill.
            let isMissing = found[position] == .unknown && [.unknown, .pending, .skipped].contains(before)
            if isMissing, isBuriedAndLost(position, buried) {
                now[position] = .lost
            } else if isMissing, before == .pending, gained.contains(position) {
                now[position] = .skipped
            }
            if now[position] == .unknown, isExact {
                throw Broken(
                    description:
                        "\(backend.name): position \(position), \(numbers[position]), was pending and is nowhere")
            }
            if now[position] != before { changed.append(position) }
        }
        fates[backend.id] = now
        try count(now, backend)
        try checkStored(now, backend, audit)
        return changed
    }

    private func read(_ backend: SpoolAudit.Backend, _ audit: SpoolAudit) throws(Broken) -> [Fate] {
        var fates = Array(repeating: Fate.unknown, count: numbers.count)
        func set(_ positions: Range<Int>, _ fate: Fate) throws(Broken) {
            for position in positions {
                guard fates[position] == .unknown else {
                    throw Broken(
                        description: "\(backend.name): position \(position) is \(fates[position]) and \(fate)")
                }
                fates[position] = fate
            }
        }
        for owed in audit.owed where owed.backend == backend.id {
            try set(Int(owed.positions.lowerBound)..<Int(owed.positions.upperBound), .pending)
        }
        for delivery in audit.deliveries where delivery.backend == backend.id {
            let fate: Fate =
                switch delivery.kind {
                case "confirmed": .confirmed
                case "assumed": .assumed
                default: .excluded
                }
            if let positions = positions(delivery) {
                try set(positions, fate)
            } else if isExact {
                throw Broken(description: "\(backend.name): a delivery of \(delivery) is not as long as it says")
            }
        }
        for letter in audit.deadLetters where letter.backend == backend.id {
            // A place in a row that no audit saw is no other row's beginning.
            guard let row = row(letter.place.sequence) else { continue }
            let position = Int(row.position + letter.place.ordinal)
            try set(position..<position + 1, .dead)
        }
        for loss in audit.losses where loss.backend == backend.id && !loss.kind.hasPrefix("dead_letter") {
            if let positions = positions(loss) {
                try set(positions, .lost)
            } else if isExact {
                throw Broken(description: "\(backend.name): a loss of \(loss) is not as long as it says")
            }
        }
        let lost = audit.losses.filter { $0.backend == backend.id }.reduce(0) { $0 + $1.points }
        guard lost == backend.ledger.lostPoints else {
            throw Broken(
                description: "\(backend.name): \(lost) points in loss rows, \(backend.ledger.lostPoints) counted")
        }
        return fates
    }

    /// Positions that these backends had no part in, and have now.
    private func gained(_ backends: [SpoolAudit.Backend], _ audit: SpoolAudit) throws(Broken) -> Set<Int> {
        var gained: Set<Int> = []
        for backend in backends {
            let (before, now) = (fatesBefore[backend.id] ?? [], try read(backend, audit))
            for position in now.indices where now[position] != .unknown {
                let known = position < before.count ? before[position] : .unknown
                if known == .unknown || known == .skipped { gained.insert(position) }
            }
        }
        return gained
    }

    /// Became a dead letter and a loss between two audits: only such points do.
    private func isBuriedAndLost(_ position: Int, _ buried: [Range<Int>]) -> Bool {
        guard numbers[position] >= 0, buried.contains(where: { $0.contains(position) }) else { return false }
        let nature = SimulatedPoint.nature(numbers[position])
        return nature == .poison || nature == .stuck
    }

    private func next(
        _ before: Fate, _ found: Fate, _ backend: SpoolAudit.Backend, _ position: Int
    ) throws(Broken) -> Fate {
        func broken(_ what: String) -> Broken {
            Broken(description: "\(backend.name): position \(position) (number \(numbers[position])) \(what)")
        }
        switch (before, found) {
        case (.unknown, .unknown): return .skipped
        case (.dead, .unknown): return .lost
        case (.pending, .unknown):
            return .unknown
        case (_, .unknown): return before
        case (.confirmed, .pending), (.assumed, .pending), (.dead, .pending), (.lost, .pending), (.excluded, .pending):
            throw broken("was \(before) and is pending again")
        case (.unknown, _), (.pending, _), (.skipped, _): return found
        default:
            if before != found { throw broken("was \(before) and is \(found) now") }
            return found
        }
    }

    private func count(_ fates: [Fate], _ backend: SpoolAudit.Backend) throws(Broken) {
        let ledger = backend.ledger
        guard ledger.balances, ledger.owedPoints == numbers.count else {
            throw Broken(description: "\(backend.name): the equation does not hold: \(ledger)")
        }
        var counts = [Int64](repeating: 0, count: 8)
        for fate in fates { counts[Int(fate.rawValue)] += 1 }
        func counted(_ fate: Fate) -> Int64 { counts[Int(fate.rawValue)] }
        let pairs: [(String, Int64, Int64)] = [
            ("delivered", counted(.confirmed), ledger.deliveredPoints),
            ("assumed", counted(.assumed), ledger.assumedPoints),
            ("dead", counted(.dead), ledger.deadPoints), ("lost", counted(.lost), ledger.lostPoints),
            ("excluded", counted(.excluded) + counted(.skipped), ledger.excludedPoints),
        ]
        guard counted(.pending) == ledger.pendingPoints else {
            throw Broken(
                description: "\(backend.name): \(counted(.pending)) owed, \(ledger.pendingPoints) counted as pending")
        }
        for (name, found, said) in pairs where isExact && found != said {
            throw Broken(description: "\(backend.name): \(found) points are \(name), \(said) are counted so")
        }
    }

    /// What is owed is stored.
    private func checkStored(
        _ fates: [Fate], _ backend: SpoolAudit.Backend, _ audit: SpoolAudit
    ) throws(Broken) {
        for row in rows where !audit.storedSequences.contains(row.sequence) {
            for position in Int(row.position)..<Int(row.position) + row.numbers.count
            where fates[position] == .pending {
                throw Broken(description: "\(backend.name): position \(position) is owed and not stored")
            }
        }
    }
}
