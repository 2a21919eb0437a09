/// Points on their way: what one request decodes to, what one commit merges, what one block holds.
///
/// Columnar: a series table, point columns in arrival order, and tables for the values that are no scalars. An ordinal
/// (an index into `points`) is half of a point's place, so points are only ever appended.
public struct Batch: Sendable, Equatable {
    /// `__name__`, the label that holds a metric's name (a measurement, for line protocol).
    public static let nameLabel = Array("__name__".utf8)

    public var series = SeriesTable()
    public var points = PointColumns()
    /// Field names and units; `texts[0]` is the empty text.
    public private(set) var texts: [String] = [""]
    public private(set) var resources: [Resource] = []
    public private(set) var scopes: [Scope] = []
    /// Values of `PointKind.string` points.
    public package(set) var strings: [[UInt8]] = []
    public package(set) var explicitHistograms: [ExplicitHistogram] = []
    public package(set) var exponentialHistograms: [ExponentialHistogram] = []
    public package(set) var summaries: [Summary] = []
    public var exemplars: [Exemplar] = []
    public var metadata: [MetricMetadata] = []

    private var textIDs: [ExactText: UInt32] = [:]
    private var resourceIDs: [Resource: UInt32] = [:]
    private var scopeIDs: [Scope: UInt32] = [:]

    public init() {}

    /// A batch from a block. The caller has checked that indexes are in range and that values that are no scalars come
    /// in the order of their tables.
    package init(
        series: SeriesTable, points: PointColumns, texts: [String], resources: [Resource], scopes: [Scope]
    ) {
        self.series = series
        self.points = points
        for text in texts { _ = intern(text: text) }
        for resource in resources { _ = intern(resource: resource) }
        for scope in scopes { _ = intern(scope: scope) }
    }

    public var isEmpty: Bool { points.count == 0 && exemplars.isEmpty && metadata.isEmpty }

    /// Empties the batch; the columns and tables that every request fills keep their memory.
    public mutating func removeAll() {
        series.removeAll(keepingCapacity: true)
        points.removeAll(keepingCapacity: true)
        exemplars.removeAll(keepingCapacity: true)
        metadata.removeAll(keepingCapacity: true)
        exponentialHistograms.removeAll(keepingCapacity: true)
        if texts.count > 1 { (texts, textIDs) = ([""], [:]) }
        if !resources.isEmpty { (resources, resourceIDs) = ([], [:]) }
        if !scopes.isEmpty { (scopes, scopeIDs) = ([], [:]) }
        (strings, explicitHistograms, summaries) = ([], [], [])
    }

    // MARK: Tables

    /// The index of `text` in `texts`.
    public mutating func intern(text: String) -> UInt32 {
        if text.isEmpty { return 0 }
        if let id = textIDs[ExactText(text)] { return id }
        let id = UInt32(texts.count)
        texts.append(text)
        textIDs[ExactText(text)] = id
        return id
    }

    /// What `SeriesIdentity.resource` holds for `resource`: its index plus 1.
    public mutating func intern(resource: Resource) -> UInt32 {
        if let id = resourceIDs[resource] { return id }
        resources.append(resource)
        let id = UInt32(resources.count)
        resourceIDs[resource] = id
        return id
    }

    /// What `SeriesIdentity.scope` holds for `scope`: its index plus 1.
    public mutating func intern(scope: Scope) -> UInt32 {
        if let id = scopeIDs[scope] { return id }
        scopes.append(scope)
        let id = UInt32(scopes.count)
        scopeIDs[scope] = id
        return id
    }

    public func resource(of series: UInt32) -> Resource? {
        let id = self.series.identity(of: series).resource
        return id == 0 ? nil : resources[Int(id) - 1]
    }

    public func scope(of series: UInt32) -> Scope? {
        let id = self.series.identity(of: series).scope
        return id == 0 ? nil : scopes[Int(id) - 1]
    }

    public func field(of series: UInt32) -> String { texts[Int(self.series.identity(of: series).field)] }
    public func unit(of series: UInt32) -> String { texts[Int(self.series.identity(of: series).unit)] }

    // MARK: Points that are no scalars

    public mutating func append(
        series id: UInt32, time: Int64, string: [UInt8], startTime: Int64 = 0, flags: PointFlags = []
    ) {
        points.append(
            series: id, time: time, kind: .string, bits: UInt64(strings.count), startTime: startTime, flags: flags)
        strings.append(string)
    }

    public mutating func append(
        series id: UInt32, time: Int64, explicit histogram: ExplicitHistogram, startTime: Int64 = 0,
        flags: PointFlags = []
    ) {
        points.append(
            series: id, time: time, kind: .explicitHistogram, bits: UInt64(explicitHistograms.count),
            startTime: startTime, flags: flags)
        explicitHistograms.append(histogram)
    }

    public mutating func append(
        series id: UInt32, time: Int64, exponential histogram: ExponentialHistogram, startTime: Int64 = 0,
        flags: PointFlags = []
    ) {
        points.append(
            series: id, time: time, kind: .exponentialHistogram, bits: UInt64(exponentialHistograms.count),
            startTime: startTime, flags: flags)
        exponentialHistograms.append(histogram)
    }

    public mutating func append(
        series id: UInt32, time: Int64, summary: Summary, startTime: Int64 = 0, flags: PointFlags = []
    ) {
        points.append(
            series: id, time: time, kind: .summary, bits: UInt64(summaries.count), startTime: startTime, flags: flags)
        summaries.append(summary)
    }

    public static func == (left: Batch, right: Batch) -> Bool {
        left.series == right.series && left.points == right.points
            && left.texts.elementsEqual(right.texts) { ExactText($0) == ExactText($1) }
            && left.resources == right.resources && left.scopes == right.scopes && left.strings == right.strings
            && left.explicitHistograms == right.explicitHistograms
            && left.exponentialHistograms == right.exponentialHistograms && left.summaries == right.summaries
            && left.exemplars == right.exemplars && left.metadata == right.metadata
    }
}
