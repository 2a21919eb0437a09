@testable import WALStore

extension TenantModel {
    /// Compares the model with what the file says, and learns what open requests and settles have come to.
    ///
    /// - Throws: the first promise that is broken.
    mutating func check(_ truth: StoredTruth) throws(Violation) {
        guard truth.integrity == "ok" else { throw Violation("the file is damaged: \(truth.integrity)") }
        guard truth.setAsideLosses == 0 else { throw Violation("the spool was set aside") }
        guard truth.nextSequence > highestSequence else {
            throw Violation("the next sequence is \(truth.nextSequence), \(highestSequence) was given")
        }
        try adopt(truth)
        let accepted = try checkRows(truth)
        for backend in truth.backends { try check(backend, truth, accepted) }
        let known = Set(truth.backends.map(\.name))
        for request in requests where request.answer == .acknowledged && !request.attached.isSubset(of: known) {
            throw Violation("a backend of \(request.id) is gone: \(request.attached), known \(known)")
        }
        highestSequence = max(highestSequence, truth.nextSequence - 1)
    }

    // MARK: Requests

    /// Open requests: which are there, whole, and which are not and never will be.
    private mutating func adopt(_ truth: StoredTruth) throws(Violation) {
        for index in requests.indices where requests[index].answer == .open {
            guard let receipts = truth.receipts[requests[index].id] else {
                guard requests[index].redrive?.points ?? 0 == 0 else {
                    throw Violation("\(requests[index].id) was told to be sent again, and is not there")
                }
                requests[index].answer = .absent
                continue
            }
            if requests[index].redrive != nil { try number(index, receipts, truth) }
            var at = requests[index].values.lowerBound
            for receipt in receipts where receipt.points > 0 {
                let values = at..<at + Int(receipt.points)
                requests[index].pieces.append(.init(place: Place(receipt.sequence, receipt.first), values: values))
                at = values.upperBound
            }
            guard at == requests[index].values.upperBound else {
                throw Violation("\(requests[index].id) is there in part: \(receipts)")
            }
            requests[index].answer = .acknowledged
        }
        for request in requests where request.answer == .absent && truth.receipts[request.id] != nil {
            throw Violation("\(request.id) was not there and came back")
        }
    }

    /// Rows hold the accepted points in order, each where its receipt says; only what was settled may be gone.
    ///
    /// - Returns: the pieces, in order of place.
    private func checkRows(_ truth: StoredTruth) throws(Violation) -> [Piece] {
        let accepted = pieces
        let total = accepted.reduce(0) { $0 + $1.values.count }
        guard truth.nextPosition == total else {
            throw Violation("\(total) points were accepted, the spool says \(truth.nextPosition)")
        }
        let known = requests.count { $0.answer == .acknowledged }
        guard truth.acceptedRequests == known else {
            throw Violation("\(known) requests were accepted, the spool says \(truth.acceptedRequests)")
        }
        let rows = Dictionary(uniqueKeysWithValues: truth.rows.map { ($0.sequence, $0) })
        var position: Int64 = 0
        for piece in accepted {
            if let row = rows[piece.place.sequence] {
                let first = Int(piece.place.ordinal)
                guard row.position + piece.place.ordinal == position, row.values.count >= first + piece.values.count,
                    row.values[first..<first + piece.values.count].elementsEqual(contents[piece.values])
                else {
                    throw Violation("the points at \(piece.place) are not those acknowledged: \(row.values.prefix(5))")
                }
            } else {
                guard mayPrune, isEnded(piece.values) else {
                    throw Violation("acknowledged points \(piece.values) at \(piece.place) are gone")
                }
            }
            position += Int64(piece.values.count)
        }
        let stored = truth.rows.reduce(0) { $0 + $1.values.count }
        let found = accepted.reduce(0) { rows[$1.place.sequence] == nil ? $0 : $0 + $1.values.count }
        guard stored == found else { throw Violation("\(stored) points are stored, \(found) of them were accepted") }
        for request in requests where request.answer == .acknowledged && !mayPrune {
            let receipts = truth.receipts[request.id] ?? []
            guard receipts.reduce(0, { $0 + Int($1.points) }) == request.values.count, !receipts.isEmpty else {
                throw Violation("the receipt of \(request.id) is gone")
            }
        }
        return accepted
    }

    /// Whether all that were owed these points have, or may have, settled them.
    private func isEnded(_ values: Range<Int>) -> Bool {
        guard let request = requests.first(where: { $0.values.contains(values.lowerBound) }) else { return false }
        return request.attached.allSatisfy { name in
            guard let backend = backends[name] else { return false }
            return values.allSatisfy { backend.settled[$0] != 0 || backend.asked[$0] != 0 }
        }
    }

    // MARK: Backends

    /// Each accepted point has one standing for the backend, one that it was told or may have been told, and the books
    /// say so.
    private mutating func check(
        _ stored: StoredTruth.Backend, _ truth: StoredTruth, _ accepted: [Piece]
    ) throws(Violation) {
        guard var backend = backends[stored.name] else { throw Violation("backend \(stored.name) is not ours") }
        var found = [UInt8](repeating: 0, count: nextValue)
        for ending in truth.endings where ending.backend == stored.id && !ending.isAmong {
            var points = 0
            for piece in accepted {
                guard let values = piece.values(in: ending.places) else { continue }
                for value in values where ending.holds(value) {
                    points += 1
                    try note(ending.standing, value, &found, stored.name)
                }
            }
            guard points == ending.points else {
                throw Violation("\(ending.standing) \(ending.places) of \(stored.name): \(points) points")
            }
        }
        var position: Int64 = 0
        for piece in accepted {
            let end = position + Int64(piece.values.count)
            for range in stored.pending {
                let shared = range.clamped(to: position..<end)
                for at in shared {
                    try note(.pending, piece.values.lowerBound + Int(at - position), &found, stored.name)
                }
            }
            position = end
        }
        let purged = truth.endings.filter { $0.backend == stored.id && $0.isAmong }
        try notePurged(purged, backend, accepted, &found, stored.name)
        var counts: [UInt8: Int64] = [:]
        let counted = truth.counted[stored.id] ?? []
        for request in requests where request.answer == .acknowledged {
            let isOwed = request.attached.contains(stored.name)
            for value in request.values {
                if !isOwed, request.redrive != nil, found[value] == Standing.excluded.rawValue { found[value] = 0 }
                let standing = try resolve(found[value], value, isOwed: isOwed, &backend, stored.name)
                counts[standing, default: 0] += 1
                let isCounted = Standing(rawValue: standing).map { TenantModel.isCounted(value, $0) } ?? false
                guard isCounted == counted.contains(value) else {
                    throw Violation(
                        "point \(value) of \(stored.name) is \(standing), and its total was \(isCounted ? "not " : "")settled"
                    )
                }
            }
        }
        backends[stored.name] = backend
        try checkBooks(stored, counts)
    }

    /// A purged letter leaves nothing but its count, among places: it must be one that was dead and was to be purged.
    private func notePurged(
        _ purged: [StoredTruth.Ending], _ backend: Backend, _ accepted: [Piece], _ found: inout [UInt8], _ name: String
    ) throws(Violation) {
        let lost = Standing.lost.rawValue
        var points = 0
        for piece in accepted {
            for value in piece.values where found[value] == 0 {
                guard backend.settled[value] == lost || backend.asked[value] & lost != 0,
                    purged.contains(where: { piece.values(in: $0.places)?.contains(value) == true })
                else { continue }
                try note(.lost, value, &found, name)
                points += 1
            }
        }
        let counted = purged.reduce(0) { $0 + $1.points }
        guard points == counted else { throw Violation("\(counted) letters of \(name) are purged, \(points) are gone") }
    }

    private func note(
        _ standing: Standing, _ value: Int, _ found: inout [UInt8], _ name: String
    ) throws(Violation) {
        guard found[value] == 0 else {
            throw Violation("point \(value) of \(name) is \(standing) and \(found[value]) at once")
        }
        found[value] = standing.rawValue
    }

    /// What the point's standing is, when it may be that.
    private func resolve(
        _ found: UInt8, _ value: Int, isOwed: Bool, _ backend: inout Backend, _ name: String
    ) throws(Violation) -> UInt8 {
        if !isOwed {
            guard found == 0 else { throw Violation("point \(value) was not for \(name) and is \(found)") }
            return Standing.excluded.rawValue
        }
        let settled = backend.settled[value]
        if found == 0 {
            // Its delivery row has aged out.
            let asked = backend.asked[value]
            guard mayPrune, settled != 0 || asked.nonzeroBitCount == 1 else {
                throw Violation("nothing is known of point \(value) for \(name)")
            }
            backend.settled[value] = settled != 0 ? settled : asked
        } else if found == Standing.pending.rawValue {
            guard settled == 0, !backend.redriven.contains(value) else {
                throw Violation("point \(value) was settled as \(settled) for \(name) and is owed")
            }
        } else {
            let isPurged = settled == Standing.dead.rawValue && found == Standing.lost.rawValue
            let isRedriven = backend.redriven.contains(value)
            guard
                isRedriven
                    ? found == Standing.excluded.rawValue
                    : found == settled || (settled == 0 || isPurged) && backend.asked[value] & found != 0
            else {
                throw Violation(
                    "point \(value) is \(found) for \(name), which said \(settled) and may have said "
                        + "\(backend.asked[value])")
            }
            backend.settled[value] = found
        }
        backend.asked[value] = 0
        return backend.settled[value] == 0 ? Standing.pending.rawValue : backend.settled[value]
    }

    private func checkBooks(_ stored: StoredTruth.Backend, _ counts: [UInt8: Int64]) throws(Violation) {
        let books = stored.books
        let said: [(Standing, Int64)] = [
            (.pending, books.pendingPoints), (.delivered, books.deliveredPoints), (.assumed, books.assumedPoints),
            (.dead, books.deadPoints), (.lost, books.lostPoints), (.excluded, books.excludedPoints),
        ]
        for (standing, points) in said where points != counts[standing.rawValue] ?? 0 {
            throw Violation(
                "\(stored.name) has \(points) points \(standing), of \(counts[standing.rawValue] ?? 0) that were told")
        }
        guard books.balances else { throw Violation("the books of \(stored.name) do not balance: \(books)") }
    }
}

extension StoredTruth.Ending {
    /// Whether it is of a point at its places.
    fileprivate func holds(_ value: Int) -> Bool {
        !isRouted || TenantModel.isKeptBack(value) == (standing == .excluded)
    }
}

extension TenantModel.Piece {
    /// Its points whose places are in the range.
    func values(in places: PlaceRange) -> Range<Int>? {
        let end = Place(place.sequence, place.ordinal + Int64(values.count))
        let (first, last) = (max(place, places.start), min(end, places.end))
        guard first < last else { return nil }
        let start = values.lowerBound + Int(first.ordinal - place.ordinal)
        let stop =
            last.sequence == place.sequence ? values.lowerBound + Int(last.ordinal - place.ordinal) : values.upperBound
        return start < stop ? start..<stop : nil
    }
}
