/// The books that a new spool begins with when the former one was set aside: made of what can still be read of it, of
/// the marks outside it, and of what the node's summary remembers. They always balance.
///
/// What is owed by these books and turns out not to be stored is made a loss when everything readable has been carried
/// over (`Spool+Salvage.swift`), so nothing is counted lost here that may still be found.
struct SalvagedLedger: Sendable {
    /// A loss row that is written with the books.
    struct Ended: Sendable {
        var backendID: Int64?
        var places: PlaceRange
        /// nil: not known.
        var points: Int64?
        var detail: String
    }

    /// The detail of such a row.
    static let booksLost = "the books of the backend were lost: what was delivered of these is not known"

    var ledger = Ledger()
    var clock: SpoolClock?
    var identity: (uuid: [UInt8], createdWall: Int64)?
    var incarnations: [SalvagedIncarnation] = []
    var losses: [Ended] = []
    /// Of each table whose rows are copied as they are, the last ones, the newest first: one of them is put in first, so
    /// that what is written before the others are there gets ids behind theirs.
    var lastRows: [SalvageTable: [SalvagedRow]] = [:]
    /// The highest id of a receipt that a refusal speaks of: the receipt itself may not be readable.
    var lastNamedReceipt: Int64 = 0
    /// Nothing was found that is this tenant's.
    var isEmpty = false

    /// What is known outside the spool.
    struct Evidence: Sendable {
        /// No sequence at or beyond it was ever given.
        var reservedBefore: Int64
        var mark: CommitMark.Value?
        var summary: SpoolStatus?
        /// What the config names: owed everything, where nobody knows better.
        var registrations: [BackendRegistration]
    }

    /// - Parameter survey: nil when there is nothing to look at.
    init(_ survey: SalvageSurvey?, _ evidence: Evidence) {
        let survey = survey.flatMap { $0.isForeign ? nil : $0 }
        isEmpty = survey?.identity == nil && survey?.newest == nil
        if let identity = survey?.identity {
            ledger.acceptedRequests = identity.acceptedRequests
            ledger.refusedPoints = identity.refusedPoints
            ledger.droppedPoints = identity.droppedPoints
            ledger.version = max(0, min(identity.version, .max / 2))
            self.identity = (identity.uuid, identity.createdWall)
            clock = identity.clock
        } else if let summary = evidence.summary {
            ledger.acceptedRequests = summary.acceptedRequests
            ledger.refusedPoints = summary.refusedPoints
            ledger.droppedPoints = summary.droppedAtIngestPoints
        }
        incarnations = survey?.incarnations ?? []
        takeEnd(survey, evidence)
        takeBackends(survey, evidence)
    }

    // MARK: How far it went

    private mutating func takeEnd(_ survey: SalvageSurvey?, _ evidence: Evidence) {
        var position: Int64 = 0
        var sequence: Int64 = 1
        if let book = survey?.identity?.end, book.sequence >= 1, book.sequence <= evidence.reservedBefore,
            (0...SalvageSurvey.maximumPosition).contains(book.position)
        {
            (sequence, position) = book
            // Its page may be an old one, when the newer one was in a damaged part of the log.
            if let newest = survey?.newest, newest.endPosition > position, newest.endPosition - position < 1 << 32 {
                (sequence, position) = (max(sequence, newest.sequence + 1), newest.endPosition)
            }
        } else if let newest = survey?.newest {
            (sequence, position) = (newest.sequence + 1, newest.endPosition)
        }
        // A number that was damaged upwards: the mark is checked, and never behind but after a power cut.
        if let mark = evidence.mark, position > mark.nextPosition, position - mark.nextPosition > 1 << 32 {
            position = mark.nextPosition
        }
        let known = max(sequence, evidence.mark?.nextSequence ?? 1, (evidence.summary?.lastSequence ?? 0) + 1)
        ledger.nextPosition = max(position, evidence.mark?.nextPosition ?? 0, evidence.summary?.acceptedPoints ?? 0)
        ledger.nextSequence = max(known, evidence.reservedBefore)
        guard evidence.mark == nil, known < evidence.reservedBefore else { return }
        let first = isEmpty && evidence.summary == nil ? 1 : known
        losses.append(
            Ended(
                backendID: nil, places: PlaceRange(Place(first, 0), Place(evidence.reservedBefore, 0)), points: nil,
                detail: "what was committed last is not known"))
    }

    // MARK: What was owed

    private mutating func takeBackends(_ survey: SalvageSurvey?, _ evidence: Evidence) {
        var found = survey?.backends ?? []
        let known = evidence.summary?.backends ?? []
        SalvagedLedger.mendNames(&found, known, evidence.registrations)
        let oldest = survey?.oldest.map { Cut(Place($0.sequence, 0), min($0.position, ledger.nextPosition)) }
        for backend in found {
            let ranges = (survey?.ranges ?? []).filter { $0.backendID == backend.id }.map(\.range)
            if let sound = sound(backend, ranges) {
                ledger.backends.append(sound)
            } else {
                let counts = known.first { $0.name == backend.name }
                ledger.backends.append(anew(backend, ranges, oldest, counts))
            }
        }
        for (index, counts) in known.enumerated() where !ledger.backends.contains(where: { $0.name == counts.name }) {
            let free = !ledger.backends.contains { $0.id == Int64(index + 1) }
            let id = free ? Int64(index + 1) : (ledger.backends.map(\.id).max() ?? 0) + 1
            let backend = BackendState(id: id, name: counts.name, type: counts.type, firstSequence: 1)
            ledger.backends.append(anew(backend, [], oldest, counts))
        }
        // No books at all, and points: better sent twice than never.
        if ledger.backends.isEmpty, ledger.nextPosition > 0 {
            for (index, new) in evidence.registrations.enumerated() {
                let backend = BackendState(
                    id: Int64(index + 1), name: new.renamedFrom ?? new.name, type: new.type, firstSequence: 1)
                ledger.backends.append(anew(backend, [], oldest, nil))
            }
        }
        ledger.backends.sort { $0.id < $1.id }
        for index in ledger.backends.indices {
            let sent = max(0, min(ledger.backends[index].sentBefore, ledger.nextSequence))
            ledger.backends[index].sentBefore = sent
            ledger.backends[index].unknownBefore = min(
                ledger.nextSequence, max(0, sent, ledger.backends[index].unknownBefore))
        }
    }

    /// Puts names right that the summary remembers otherwise: a damaged letter must not make another backend of one.
    private static func mendNames(
        _ found: inout [BackendState], _ known: [BackendLedger], _ registrations: [BackendRegistration]
    ) {
        for (index, counts) in known.enumerated() {
            if let same = found.firstIndex(where: { $0.name == counts.name }) {
                found[same].type = counts.type
            } else if let place = found.firstIndex(where: { $0.id == Int64(index + 1) }),
                !known.contains(where: { $0.name == found[place].name }),
                !registrations.contains(where: { $0.name == found[place].name })
            {
                found[place].name = counts.name
                found[place].type = counts.type
            }
        }
        // A name stands once in the table.
        for index in found.indices.reversed() where found[..<index].contains(where: { $0.name == found[index].name }) {
            found.remove(at: index)
        }
    }

    /// The backend with its ranges, when its books are in order.
    private func sound(_ backend: BackendState, _ ranges: [OwedRange]) -> BackendState? {
        var backend = backend
        let counts = [
            backend.deliveredPoints, backend.assumedPoints, backend.deadPoints, backend.lostPoints,
            backend.excludedPoints,
        ]
        guard counts.allSatisfy({ $0 >= 0 && $0 <= ledger.nextPosition }),
            (backend.tail == nil) == (backend.detachedPosition != nil),
            let bound = backend.tail?.position ?? backend.detachedPosition, bound >= 0, bound <= ledger.nextPosition,
            (backend.tail?.place.sequence ?? 1) <= ledger.nextSequence
        else { return nil }
        var end: Int64 = 0
        for range in ranges.sorted(by: { $0.start.position < $1.start.position }) {
            guard range.start.position >= end, range.end.position <= bound,
                range.start.place.sequence <= ledger.nextSequence
            else { return nil }
            backend.ranges.append(range)
            end = range.end.position
        }
        return backend.balance(upTo: ledger.nextPosition) == 0 ? backend : nil
    }

    /// A backend whose books are lost: owed again all that is stored. Of what is stored no more, as much was delivered
    /// as somebody remembers, and the rest counts as lost; which places these are nobody knows, so a row names them all.
    private mutating func anew(
        _ backend: BackendState, _ ranges: [OwedRange], _ oldest: Cut?, _ known: BackendLedger?
    ) -> BackendState {
        // Whatever it was owed first: all that is stored is owed now.
        var fresh = BackendState(id: backend.id, name: backend.name, type: backend.type, firstSequence: 1)
        fresh.limits = backend.limits
        fresh.sentBefore = ledger.nextSequence
        fresh.unknownBefore = ledger.nextSequence
        let start = oldest ?? Cut(Place(1, 0), known.map { ended($0) } ?? 0)
        fresh.tail = start
        // What is known to have been owed before it, and is not stored, will be a loss of its own.
        for range in ranges.sorted(by: { $0.start.position < $1.start.position })
        where range.start.position >= fresh.ranges.last?.end.position ?? 0 && range.end.position <= start.position {
            fresh.ranges.append(range)
        }
        var left = start.position - fresh.ranges.reduce(0) { $0 + $1.end.position - $1.start.position }
        let isUncertain = left > 0 && oldest != nil
        func take(_ count: Int64) -> Int64 {
            let taken = max(0, min(left, count))
            left -= taken
            return taken
        }
        fresh.deliveredPoints = take(known?.deliveredPoints ?? backend.deliveredPoints)
        fresh.assumedPoints = take(known?.assumedPoints ?? backend.assumedPoints)
        fresh.excludedPoints = take(known?.excludedPoints ?? backend.excludedPoints)
        fresh.deadPoints = take(known?.deadPoints ?? backend.deadPoints)
        fresh.lostPoints = take(known?.lostPoints ?? backend.lostPoints)
        guard left > 0 || isUncertain else { return fresh }
        fresh.lostPoints += left
        let places = PlaceRange(Place(1, 0), max(start.place, Place(1, 0)))
        losses.append(
            Ended(
                backendID: fresh.id, places: places, points: left > 0 ? left : nil,
                detail: SalvagedLedger.booksLost))
        return fresh
    }

    /// What had an end, by the summary: nothing of it is owed again when nothing is stored.
    private func ended(_ known: BackendLedger) -> Int64 {
        let ended = known.deliveredPoints + known.assumedPoints + known.deadPoints + known.lostPoints
        return max(0, min(ledger.nextPosition, ended + known.excludedPoints))
    }
}

/// A former life of the spool, as its row says.
struct SalvagedIncarnation: Sendable {
    var id: Int64
    var uuid: [UInt8]
    var reason: String
    var firstSequence: Int64
    var createdWall: Int64
}
