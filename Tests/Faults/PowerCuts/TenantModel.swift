import Metrics

@testable import WALStore

/// What clients and backends of one tenant were told: the other side of the oracle.
struct TenantModel: Sendable {
    /// A request, by its points' numbers.
    struct Request: Sendable {
        enum Answer: Sendable, Equatable {
            /// Success: it is there, whole, for ever.
            case acknowledged
            /// An error or none: it is there whole, or not at all; once looked for and not found, never.
            case open
            case absent
        }
        var id: String
        var values: Range<Int>
        var answer: Answer
        var pieces: [Piece] = []
        /// Names of the backends that were owed it.
        var attached: Set<String>
        /// Letters sent again: its points are theirs, and their number is known when it is looked for. nil: new points.
        var redrive: Redrive?
    }

    struct Redrive: Sendable {
        /// Whose letters.
        var from: String
        /// What the spool said; nil: it has not answered.
        var points: Int64?
    }

    /// Neighbouring points of a request in one row.
    struct Piece: Sendable, Equatable {
        var place: Place
        var values: Range<Int>
    }

    /// What one backend was told, and told us, by the points' numbers.
    struct Backend: Sendable {
        /// Raw value of the standing that was acknowledged, 0 when none was.
        var settled: [UInt8] = []
        /// Mask of the standings that were asked for and not acknowledged.
        var asked: [UInt8] = []
        /// Leased at some time: it may have been sent.
        var sent: [Bool] = []
        /// Of `sent`: by a process that ended without closing.
        var sentBeforeCrash: [Bool] = []
        /// Letters that were sent again.
        var redriven: Set<Int> = []

        /// The worker says that nothing of these points is on its way.
        mutating func didNotSend(_ values: [Int]) {
            for value in values where !sentBeforeCrash[value] { sent[value] = false }
        }

        /// Whatever was sent was sent by a process that is gone.
        mutating func endProcess() {
            for value in sent.indices where sent[value] { sentBeforeCrash[value] = true }
        }

        mutating func grow(to count: Int) {
            let missing = count - settled.count
            guard missing > 0 else { return }
            settled.append(contentsOf: repeatElement(0, count: missing))
            asked.append(contentsOf: repeatElement(0, count: missing))
            sent.append(contentsOf: repeatElement(false, count: missing))
            sentBeforeCrash.append(contentsOf: repeatElement(false, count: missing))
        }
    }

    /// Some points are a running total each: the backend has been told of it when the point is delivered, and never else.
    static func isCounted(_ value: Int, _ standing: Standing) -> Bool { value % 8 == 0 && standing == .delivered }
    static func counter(of value: Int) -> CounterKey {
        CounterKey(series: SeriesKey(high: .max - UInt64(value), low: UInt64(value)))
    }

    /// Of some settlements; the spool keeps them and does not ask them: which points they keep back is said here.
    static let route = StoredRoute(RouteRules(sample: 0.5))
    static func isKeptBack(_ value: Int) -> Bool { value % 3 == 0 }

    var requests: [Request] = []
    var backends: [String: Backend] = [:]
    var attached: Set<String> = []
    /// The next point's number.
    var nextValue = 0
    /// By number: the value of the point, which is its number, or that of the letter that was sent again.
    var contents: [Int] = []
    /// The highest sequence that anybody outside the spool has seen.
    var highestSequence: Int64 = 0
    /// Rows that every backend has settled may be gone.
    var mayPrune = false

    mutating func newRequest(_ points: Int) -> Int {
        let values = newNumbers(Array(nextValue..<nextValue + points))
        requests.append(
            Request(id: "request \(requests.count)", values: values, answer: .open, attached: attached))
        return requests.count - 1
    }

    mutating func newRedrive(from: String, to backend: String) -> Int {
        requests.append(
            Request(
                id: "request \(requests.count)", values: nextValue..<nextValue, answer: .open, attached: [backend],
                redrive: Redrive(from: from)))
        return requests.count - 1
    }

    mutating func newNumbers(_ contents: [Int]) -> Range<Int> {
        defer { nextValue += contents.count }
        self.contents += contents
        for name in backends.keys { backends[name]?.grow(to: nextValue + contents.count) }
        return nextValue..<nextValue + contents.count
    }

    /// The numbers of points by their positions. While an answer is open nobody knows who is where, but by the values.
    func numbers(at start: Int64, _ values: [Int]) throws(Violation) -> [Int] {
        guard requests.contains(where: { $0.redrive != nil }) else { return values }
        var position: Int64 = 0
        var numbers: [Int] = []
        for piece in pieces {
            let shared = (position..<position + Int64(piece.values.count)).clamped(
                to: start..<start + Int64(values.count))
            numbers += shared.map { piece.values.lowerBound + Int($0 - position) }
            position += Int64(piece.values.count)
        }
        guard numbers.map({ contents[$0] }) == values else {
            throw Violation("leased \(values.prefix(5)) where \(numbers.prefix(5)) were accepted")
        }
        return numbers
    }

    /// Points that were accepted, in the order of their places.
    var pieces: [Piece] { requests.flatMap(\.pieces).sorted { $0.place < $1.place } }

    /// Backends that have been owed something: the spool knows them.
    var owed: [String] {
        requests.reduce(into: Set<String>()) { if $1.answer == .acknowledged { $0.formUnion($1.attached) } }.sorted()
    }

    mutating func configure(_ names: Set<String>) {
        attached = names
        for name in names where backends[name] == nil { backends[name] = Backend() }
        for name in backends.keys { backends[name]?.grow(to: nextValue) }
    }

    /// Takes a success answer, after checking what it says.
    mutating func acknowledge(_ index: Int, _ receipt: AppendReceipt, above floor: Int64) throws(Violation) {
        let request = requests[index]
        guard receipt.storedPoints == request.values.count, receipt.droppedPoints == 0 else {
            throw Violation("\(request.id): \(receipt.storedPoints) of \(request.values.count) points acknowledged")
        }
        var at = request.values.lowerBound
        for places in receipt.places {
            guard places.start.sequence > floor else {
                throw Violation("sequence \(places.start.sequence) came back; \(floor) was given before")
            }
            let count = Int(places.end.ordinal - places.start.ordinal)
            requests[index].pieces.append(Piece(place: places.start, values: at..<at + count))
            at += count
            saw(places.start.sequence)
        }
        requests[index].answer = .acknowledged
    }

    /// Somebody outside knows the sequence.
    mutating func saw(_ sequence: Int64) { highestSequence = max(highestSequence, sequence) }

    /// The process ended without closing, or closed with leases out.
    mutating func endProcess() {
        for name in backends.keys { backends[name]?.endProcess() }
    }
}

/// A promise that was not kept.
struct Violation: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
