import Metrics
import WALStore

/// The end of a chain as points: numbers that every backend keeps, in series that do not become more with time.
///
/// `holdfast_chain_anchor_length{tenant,life}` is how many links there are, and
/// `holdfast_chain_anchor_word{tenant,life,word}` the head, 32 bits at a time, word 0 first: a backend that keeps values as
/// floats, or ten decimal digits of them, keeps each one whole. All nine have one time.
enum AnchorPoints {
    static let length = "holdfast_chain_anchor_length"
    static let word = "holdfast_chain_anchor_word"
    static let words = 8
    /// Of one anchor.
    static let count = 1 + words

    /// Labels that an anchor has of itself.
    static let reserved = ["tenant", "life", "word"]

    /// - Parameters:
    ///   - labels: those of the config, which were checked when it was read.
    ///   - time: nanoseconds since the epoch.
    static func request(
        _ seal: ChainSeal, tenant: String, labels: [AnchorSection.Label], time: Int64
    ) -> DecodedRequest {
        var request = DecodedRequest()
        var builder = LabelBuilder()
        func add(_ name: String, _ own: [(String, String)], _ value: Double) {
            builder.reset()
            builder.add("__name__", name)
            for label in labels { builder.add(label.name, label.value) }
            for (name, value) in own { builder.add(name, value) }
            guard (try? builder.finish()) != nil else { return }
            let series = builder.canonical.withUnsafeBytes { request.batch.series.intern($0) }
            request.batch.points.appendFloat64(series: series, time: time, bits: value.bitPattern)
        }
        let life = hexadecimal(seal.life)
        let own = [("tenant", tenant), ("life", life)]
        add(length, own, Double(seal.status.length))
        for (index, value) in split(seal.status.head).enumerated() {
            add(word, own + [("word", String(index))], Double(value))
        }
        return request
    }

    /// The words of a head of 64 hexadecimal digits.
    static func split(_ head: String) -> [UInt32] {
        (0..<words).compactMap { UInt32(head.dropFirst($0 * 8).prefix(8), radix: 16) }
    }

    /// The head of eight words.
    static func head(of words: [UInt32]) -> String { words.map(hexadecimal).joined() }

    private static func hexadecimal(_ word: UInt32) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
