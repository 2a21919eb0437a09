/// The labels of a scrape target (`job`, `instance`, what the config adds), and who wins where a series has them too.
/// <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config> (`honor_labels`)
public struct ScrapeLabels: Sendable, Hashable {
    struct Label: Sendable, Hashable {
        var name: [UInt8]
        var value: [UInt8]
    }
    let labels: [Label]
    /// True: the series' own label stays. False: it is renamed to `exported_` and its name, and the target's is added.
    public let honorsLabels: Bool

    /// - Parameter labels: names with values; an empty value means no label.
    public init(_ labels: [(name: String, value: String)] = [], honorsLabels: Bool = false) {
        self.labels = labels.filter { !$0.value.isEmpty }.map {
            Label(name: Array($0.name.utf8), value: Array($0.value.utf8))
        }
        self.honorsLabels = honorsLabels
    }

    /// The index of the target's label of that name.
    @inline(__always)
    func index(of name: UnsafeRawBufferPointer) -> Int? {
        for index in labels.indices where labels[index].name.count == name.count {
            if labels[index].name.withUnsafeBytes({ ByteOrder.compare($0, name) == 0 }) { return index }
        }
        return nil
    }
}

/// What a scraped body does not say itself.
public struct ExpositionContext: Sendable, Hashable {
    /// Nanoseconds since the epoch, for samples without a timestamp.
    public var scrapeTime: Int64
    public var target: ScrapeLabels
    /// False: every sample gets the scrape's time.
    public var honorsTimestamps: Bool

    public init(scrapeTime: Int64, target: ScrapeLabels = ScrapeLabels(), honorsTimestamps: Bool = true) {
        self.scrapeTime = scrapeTime
        self.target = target
        self.honorsTimestamps = honorsTimestamps
    }
}
