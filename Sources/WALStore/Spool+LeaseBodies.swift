import Metrics

/// Live points as the bodies they came in: neither decoded nor encoded again on their way out.
extension Spool {
    /// Makes a plan a lease of bodies, when those of its first rows are at hand.
    ///
    /// - Returns: nil when they are not; the plan is then carried out as it is.
    func passed(_ plan: Plan, _ limit: LeaseLimit) -> Lease? {
        guard let most = limit.bodyPoints else {
            bodyTakers.remove(plan.record.backendID)
            return nil
        }
        bodyTakers.insert(plan.record.backendID)
        var record = plan.record
        var pieces: [LeasedPiece] = []
        var room = BodyRoom(points: most)
        for (index, piece) in record.pieces.enumerated() {
            guard let row = bodies(of: piece.row) else { break }
            // More than one request's worth only where all of it may be on its way at once.
            let isAlone =
                index == 0 && limit.isMerged && row.isDistinct
                && row.bodies.allSatisfy { $0.ordinals.count <= most }
            var bodies = row.whole(piece.ordinals)
            if !isAlone { bodies = bodies.prefix { room.take($0) } }
            guard let first = bodies.first, let last = bodies.last else { break }
            let ordinals = first.ordinals.lowerBound..<last.ordinals.upperBound
            record.pieces[index].origins = OriginRun.fresh(piece.row.sequence, points: piece.row.points)
            let span = record.pieces[index].span(ordinals)
            pieces.append(
                LeasedPiece(
                    places: PlaceRange(span.start.place, span.end.place), bodies: Array(bodies), ordinals: ordinals,
                    maybeSent: piece.row.sequence < plan.unknownBefore,
                    overtaken: plan.overtaken.map { piece.row.ordinals(of: $0) } ?? 0..<0))
            if isAlone || ordinals.upperBound < piece.ordinals.upperBound { break }
        }
        guard let last = pieces.last else { return nil }
        record.keepFirst(pieces.count, upTo: last.ordinals.upperBound)
        leases[plan.id] = record
        return Lease(id: plan.id, backend: record.name, lane: plan.lane, pieces: pieces)
    }

    private func bodies(of row: StoredRow) -> RowBodies? {
        guard row.points > 0, row.lastSequence == row.sequence,
            let kept = environment.cache.bodies(cacheID, row.sequence), kept.points == row.points
        else { return nil }
        return kept
    }
}

/// What of a request is not used yet.
private struct BodyRoom {
    var points: Int
    /// Decompressed, a body has 22 times its bytes at most.
    var bytes = 4 << 20

    mutating func take(_ body: WireBody) -> Bool {
        guard body.ordinals.count <= points, body.bytes.count <= bytes else { return false }
        points -= body.ordinals.count
        bytes -= body.bytes.count
        return true
    }
}
