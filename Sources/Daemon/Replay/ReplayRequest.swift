import Metrics
import WALStore

/// What is to be replayed: the same words in a body and on the command line (there with two dashes).
struct ReplayRequest: Sendable {
    /// nil: of the only tenant there is.
    var tenant: String?
    var backend: String
    var times: Range<Int64>?
    var received: Range<Int64>?
    var selector: SeriesSelector?
    /// Points a second; nil: as fast as the backend takes them.
    var rate: Int?

    enum Word: String, CaseIterable {
        case tenant, backend, match, from, to, rate
        case receivedFrom = "received-from"
        case receivedTo = "received-to"
    }

    static let rates = 1...1_000_000_000

    /// - Parameters:
    ///   - words: names and values; the last one of a name counts.
    ///   - now: what times such as `24h` count back from.
    init(_ words: some Sequence<(name: String, value: String)>, now: Int64) throws(LetterRequest.Mistake) {
        var times = LetterRequest.TimeBounds()
        var received = LetterRequest.TimeBounds()
        var backend: String?
        for (name, value) in words {
            guard let word = Word(rawValue: name) else {
                throw LetterRequest.Mistake(
                    description: "\"\(name)\" is not known: \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            switch word {
            case .tenant: tenant = value
            case .backend: backend = value
            case .match: selector = try LetterRequest.selector(value)
            case .from: times.from = try LetterRequest.time(name, value, now)
            case .to: times.to = try LetterRequest.time(name, value, now)
            case .receivedFrom: received.from = try LetterRequest.time(name, value, now)
            case .receivedTo: received.to = try LetterRequest.time(name, value, now)
            case .rate: rate = try ReplayRequest.rate(name, value)
            }
        }
        guard let backend else {
            throw LetterRequest.Mistake(description: "backend must be given: it gets the points")
        }
        self.backend = backend
        self.times = try times.range("from", "to")
        self.received = try received.range("received-from", "received-to")
    }

    /// As it is sent: times are told as they were understood, so that `24h` is the same for whoever asks twice.
    var words: [(name: String, value: String)] {
        var words: [(Word, String?)] = [
            (.tenant, tenant), (.backend, backend), (.match, selector?.description), (.rate, rate.map(String.init)),
        ]
        func add(_ range: Range<Int64>?, _ from: Word, _ to: Word) {
            guard let range else { return }
            if range.lowerBound > .min { words.append((from, RFC3339.format(range.lowerBound))) }
            if range.upperBound < .max { words.append((to, RFC3339.format(range.upperBound))) }
        }
        add(times, .from, .to)
        add(received, .receivedFrom, .receivedTo)
        return words.compactMap { word, value in value.map { (word.rawValue, $0) } }
    }

    func order(asked: String) -> ReplayOrder {
        var order = ReplayOrder(backend: backend, asked: asked)
        (order.times, order.received, order.selector, order.pointsPerSecond) = (times, received, selector, rate)
        return order
    }

    private static func rate(_ name: String, _ text: String) throws(LetterRequest.Mistake) -> Int {
        guard let rate = Int(text), rates.contains(rate) else {
            throw LetterRequest.Mistake(description: "\(name): \"\(text)\" is no whole number of points a second")
        }
        return rate
    }
}
