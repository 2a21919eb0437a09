extension Ledger {
    /// Numbers beyond it come from a damaged file: no spool counts so far, and sums of a few of them do not overflow.
    private static let most: Int64 = 1 << 59

    /// Why the numbers that a file gave cannot be a ledger's, or nil when they can.
    ///
    /// A file that lies must be refused here, by an error that sets it aside: everything behind this trusts the ledger, and
    /// a process that ends on a damaged file ends again when it starts again.
    var fault: String? {
        guard (1...Ledger.most).contains(nextSequence) else { return "the next sequence is \(nextSequence)" }
        for count in [nextPosition, acceptedRequests, refusedPoints, droppedPoints, version]
        where !(0...Ledger.most).contains(count) { return "a count of the spool is \(count)" }
        if Set(backends.map(\.id)).count != backends.count || Set(backends.map(\.name)).count != backends.count {
            return "a backend is there twice"
        }
        for backend in backends {
            if let fault = backend.fault(in: self) { return "backend \(backend.name): \(fault)" }
        }
        return nil
    }

    /// Whether a cut can be in this ledger.
    fileprivate func holds(_ cut: Cut) -> Bool {
        (0...nextPosition).contains(cut.position) && (0...nextSequence).contains(cut.place.sequence)
            && cut.place.ordinal <= Int64(Block.maximumPoints)
    }
}

extension BackendState {
    fileprivate func fault(in ledger: Ledger) -> String? {
        let counts = [deliveredPoints, assumedPoints, deadPoints, lostPoints, excludedPoints]
        for count in counts where !(0...ledger.nextPosition).contains(count) { return "a count of it is \(count)" }
        for sequence in [firstSequence, sentBefore, unknownBefore]
        where !(0...ledger.nextSequence + Spool.sendingReserve).contains(sequence) {
            return "it knows of sequence \(sequence), and the next is \(ledger.nextSequence)"
        }
        if let detachedPosition, !(0...ledger.nextPosition).contains(detachedPosition) {
            return "it was detached at position \(detachedPosition)"
        }
        if (tail == nil) == (detachedPosition == nil) { return "it is neither attached nor detached" }
        if let tail, !ledger.holds(tail) { return "its tail begins behind the end" }
        var end = Cut(Place(0, 0), 0)
        for range in ranges {
            guard ledger.holds(range.start), ledger.holds(range.end), range.start.position >= end.position,
                range.start.place >= end.place, range.start.place < range.end.place
            else { return "the range at position \(range.start.position) is out of order" }
            end = range.end
        }
        if let tail, end.position > tail.position { return "a range runs into the tail" }
        return balance(upTo: ledger.nextPosition) == 0 ? nil : "its counts do not add up"
    }
}
