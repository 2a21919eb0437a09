/// Which series of a tenant go to a backend, and under which labels. Pure: what it says of a series depends on nothing but the
/// series, so that what was sent can be told again later.
///
/// In this order: `match` and `drop` look at the series as it is stored, `sample` takes a share of what is left, then
/// `externalLabels` are added where the series has none of that name, then `relabel`.
public struct RouteRules: Sendable, Hashable {
    /// One of them has to match; empty: all series.
    public var match: [SeriesSelector]
    /// None of them may.
    public var drop: [SeriesSelector]
    /// The share of series that goes on, chosen by their labels: the same series at every node and after every restart.
    public var sample: Double
    public var externalLabels: [ExternalLabel]
    public var relabel: [RelabelRule]

    public struct ExternalLabel: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Rules, selectors and labels together.
    public static let maximumRules = 500
    /// Of a series between two rules: one that needs more is kept back.
    static let maximumLabels = 1024
    /// Bytes of `text`.
    public static let maximumTextBytes = 256 << 10

    public init(
        match: [SeriesSelector] = [], drop: [SeriesSelector] = [], sample: Double = 1,
        externalLabels: [ExternalLabel] = [], relabel: [RelabelRule] = []
    ) {
        self.match = match
        self.drop = drop
        self.sample = sample
        self.externalLabels = externalLabels
        self.relabel = relabel
    }

    /// Whether all goes on as it is.
    public var isEmpty: Bool {
        match.isEmpty && drop.isEmpty && sample >= 1 && externalLabels.isEmpty && relabel.isEmpty
    }

    /// Whether no series is kept back, and none gets another name.
    var letsAllThrough: Bool { match.isEmpty && drop.isEmpty && sample >= 1 && relabel.isEmpty }

    private var changesLabels: Bool { !externalLabels.isEmpty || !relabel.isEmpty }

    /// What becomes of a series.
    enum Verdict {
        case excluded
        /// With its labels as they are.
        case same
        /// The builder has other labels.
        ///
        /// - Parameter isRenamed: a series of line protocol has a name in place of its measurement and field.
        case changed(isRenamed: Bool)
    }

    /// - Parameters:
    ///   - builder: gets the new labels.
    ///   - key: room for `Batch.key`.
    func verdict(_ batch: Batch, _ id: UInt32, _ builder: inout LabelBuilder, key: inout [UInt8]) -> Verdict {
        guard match.isEmpty || match.contains(where: { $0.matches(batch, series: id) }),
            !drop.contains(where: { $0.matches(batch, series: id) })
        else { return .excluded }
        if sample < 1 {
            // The upper 53 bits as a fraction of 1, exactly.
            let place = Double(batch.key(ofSeries: id, scratch: &key).high >> 11) * 0x1p-53
            guard place < sample else { return .excluded }
        }
        guard changesLabels else { return .same }
        guard var labels = changed(batch, id) else { return .excluded }
        var isRenamed = false
        if batch.series.identity(of: id).field != 0 {
            isRenamed = labels[Batch.nameLabel] != Array(SeriesSelector.name(batch, id).utf8)
            if !isRenamed { labels[Batch.nameLabel] = RouteLabels.measurement(batch, id) }
        }
        builder.reset()
        for (name, value) in labels.pairs where !RouteRules.isTemporary(name) {
            name.withUnsafeBytes { name in value.withUnsafeBytes { builder.add(name: name, value: $0) } }
        }
        // A series that has no name any more, or more than a series may have, is none.
        do throws(LabelFault) { try builder.finish() } catch { return .excluded }
        return .changed(isRenamed: isRenamed)
    }

    private func changed(_ batch: Batch, _ id: UInt32) -> RouteLabels? {
        var labels = RouteLabels(batch, id)
        let resource = batch.resource(of: id)
        for label in externalLabels where labels.value(of: label.name, or: resource).isEmpty {
            labels[Array(label.name.utf8)] = Array(label.value.utf8)
        }
        for rule in relabel {
            guard rule.apply(to: &labels, resource), labels.pairs.count <= RouteRules.maximumLabels else { return nil }
        }
        return labels
    }

    /// Prometheus keeps these for rules that hand something on to later ones.
    private static func isTemporary(_ name: [UInt8]) -> Bool { name.starts(with: "__tmp".utf8) }
}

extension RouteLabels {
    fileprivate static func measurement(_ batch: Batch, _ id: UInt32) -> [UInt8] {
        batch.series.withLabels(of: id) { bytes in
            for label in LabelIterator(bytes) where label.name.elementsEqual(Batch.nameLabel) {
                return Array(label.value)
            }
            return []
        }
    }

    /// Of a series as it is stored; the name is the one that a selector sees.
    init(_ batch: Batch, _ id: UInt32) {
        batch.series.withLabels(of: id) { bytes in
            for label in LabelIterator(bytes) { self[Array(label.name)] = Array(label.value) }
        }
        if batch.series.identity(of: id).field != 0 {
            self[Batch.nameLabel] = Array(SeriesSelector.name(batch, id).utf8)
        }
    }
}
