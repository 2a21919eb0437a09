/// Points of a batch in the order in which OTLP nests them: resources, scopes, metrics, series. Made for one encoding at a
/// time; it keeps its memory.
struct OTLPLayout: Sendable {
    /// Who measured: a resource of the batch, or what `job` and `instance` say.
    struct Source: Sendable {
        /// As in `SeriesIdentity`; 0: there is none.
        var resource: UInt32
        /// Places in the label bytes of the batch; empty where there is no such label.
        var job = Span.empty
        var instance = Span.empty
        var scopes = Chain()
    }
    struct Scope: Sendable {
        /// As in `SeriesIdentity`; 0: there is none.
        var scope: UInt32
        var metrics = Chain()
        var next: Int32 = -1
    }
    struct Metric: Sendable {
        var form: OTLPForm
        /// In the label bytes of the batch.
        var name: Span
        var members = Chain()
        var next: Int32 = -1
    }
    /// The points of one series that have the metric's form.
    struct Member: Sendable {
        var series: UInt32
        /// Not all points at hand of the series have it.
        var isMixed: Bool
        var next: Int32 = -1
    }
    /// Which entries of a table belong together, in the order they came.
    struct Chain: Sendable {
        var first: Int32 = -1
        var last: Int32 = -1
    }

    private(set) var sources: [Source] = []
    private(set) var scopes: [Scope] = []
    private(set) var metrics: [Metric] = []
    private(set) var members: [Member] = []
    private(set) var order = SeriesOrder()
    private(set) var excluded: [(ordinal: Int, reason: OTLPExclusion)] = []

    private struct MetricKey: Hashable {
        var scope: Int32
        var form: OTLPForm
    }
    private struct ScopeKey: Hashable {
        var source: Int32
        var scope: UInt32
    }
    private var jobs = SpanTable()
    private var instances = SpanTable()
    private var names = SpanTable()
    private var resources: [UInt32: Int32] = [:]
    private var scopeIDs: [ScopeKey: Int32] = [:]
    private var metricKeys: [MetricKey: UInt32] = [:]
    /// Those of the series before: neighbours mostly have the same.
    private var latestScope: (key: ScopeKey, id: Int32)?
    private var latestKey: (key: MetricKey, number: UInt32)?

    /// - Parameters:
    ///   - runs: ordinals, ascending.
    ///   - series: the ids that those points have.
    mutating func fill(_ batch: Batch, _ runs: some Sequence<Range<Int>>, of series: Range<Int>) {
        removeAll()
        order.fill(batch.points.series, runs, of: series)
        batch.series.labelBytes.withUnsafeBytes { labels in
            for id in order.series where !order.points(of: id).isEmpty { add(UInt32(id), of: batch, labels) }
        }
    }

    private mutating func removeAll() {
        sources.removeAll(keepingCapacity: true)
        scopes.removeAll(keepingCapacity: true)
        metrics.removeAll(keepingCapacity: true)
        members.removeAll(keepingCapacity: true)
        excluded.removeAll(keepingCapacity: true)
        jobs.removeAll()
        instances.removeAll()
        names.removeAll()
        resources.removeAll(keepingCapacity: true)
        scopeIDs.removeAll(keepingCapacity: true)
        metricKeys.removeAll(keepingCapacity: true)
        (latestScope, latestKey) = (nil, nil)
    }

    // MARK: Series

    private mutating func add(_ id: UInt32, of batch: Batch, _ bytes: UnsafeRawBufferPointer) {
        let identity = batch.series.identity(of: id)
        let labels = OTLPLabels(batch.series.labelRange(of: id), in: bytes)
        let isSum = OTLPForm.isSum(
            identity, isNamedLikeCounter: OTLPForm.isNamedLikeCounter(labels.name.bytes(in: bytes)))
        var found: [OTLPData] = []
        let before = excluded.count
        if batch.points.kinds.isEmpty {
            found.append(isSum ? .sum : .gauge)
        } else {
            for ordinal in order.points(of: Int(id)) {
                switch OTLPData.of(batch, Int(ordinal), isSum: isSum) {
                case .success(let data): if !found.contains(data) { found.append(data) }
                case .failure(let exclusion): excluded.append((Int(ordinal), exclusion.reason))
                }
            }
        }
        guard !found.isEmpty else { return }
        let scope = scope(identity, labels, bytes)
        let isMixed = found.count > 1 || excluded.count > before
        for data in found {
            let metric = metric(OTLPForm(data, identity), labels.name, in: scope, bytes)
            OTLPLayout.link(
                Member(series: id, isMixed: isMixed), into: &members, &metrics[Int(metric)].members)
        }
    }

    private mutating func scope(
        _ identity: SeriesIdentity, _ labels: OTLPLabels, _ bytes: UnsafeRawBufferPointer
    ) -> Int32 {
        let key = ScopeKey(
            source: identity.resource == 0 ? source(labels, bytes) : source(identity.resource), scope: identity.scope)
        if let latestScope, latestScope.key == key { return latestScope.id }
        let id =
            scopeIDs[key]
            ?? OTLPLayout.link(Scope(scope: identity.scope), into: &scopes, &sources[Int(key.source)].scopes)
        scopeIDs[key] = id
        latestScope = (key, id)
        return id
    }

    private mutating func source(_ resource: UInt32) -> Int32 {
        if let known = resources[resource] { return known }
        sources.append(Source(resource: resource))
        resources[resource] = Int32(sources.count - 1)
        return Int32(sources.count - 1)
    }

    private mutating func source(_ labels: OTLPLabels, _ bytes: UnsafeRawBufferPointer) -> Int32 {
        let job = jobs.known(labels.job, in: bytes) ?? jobs.insert(labels.job, in: bytes, UInt32(jobs.count))
        if let known = instances.known(labels.instance, tag: job, in: bytes) { return Int32(known) }
        sources.append(Source(resource: 0, job: labels.job, instance: labels.instance))
        return Int32(instances.insert(labels.instance, tag: job, in: bytes, UInt32(sources.count - 1)))
    }

    private mutating func metric(
        _ form: OTLPForm, _ name: Span, in scope: Int32, _ bytes: UnsafeRawBufferPointer
    ) -> Int32 {
        let key = MetricKey(scope: scope, form: form)
        let number: UInt32
        if let latestKey, latestKey.key == key {
            number = latestKey.number
        } else {
            number = metricKeys[key] ?? UInt32(metricKeys.count)
            metricKeys[key] = number
            latestKey = (key, number)
        }
        if let known = names.known(name, tag: number, in: bytes) { return Int32(known) }
        let metric = OTLPLayout.link(
            Metric(form: form, name: name), into: &metrics, &scopes[Int(scope)].metrics)
        return Int32(names.insert(name, tag: number, in: bytes, UInt32(metric)))
    }

    // MARK: Chains

    /// - Returns: the entry's index.
    @discardableResult
    private static func link<Entry: Chained>(
        _ entry: Entry, into table: inout [Entry], _ chain: inout Chain
    ) -> Int32 {
        let index = Int32(table.count)
        table.append(entry)
        if chain.first < 0 { chain.first = index } else { table[Int(chain.last)].next = index }
        chain.last = index
        return index
    }

    protocol Chained {
        /// Index of the entry behind it; -1 for the last.
        var next: Int32 { get set }
    }
}

extension OTLPLayout.Scope: OTLPLayout.Chained {}
extension OTLPLayout.Metric: OTLPLayout.Chained {}
extension OTLPLayout.Member: OTLPLayout.Chained {}

/// Where in the label bytes of a batch those labels of a series stand that are no attributes in OTLP.
struct OTLPLabels {
    var name = Span.empty
    var job = Span.empty
    var instance = Span.empty

    static let job = Array("job".utf8)
    static let instance = Array("instance".utf8)

    init(_ range: Range<Int>, in bytes: UnsafeRawBufferPointer) {
        let labels = UnsafeRawBufferPointer(rebasing: bytes[range])
        guard let start = bytes.baseAddress else { return }
        for label in LabelIterator(labels) {
            guard let value = label.value.baseAddress else { continue }
            let at = value - start
            let span = Span(at, at + label.value.count)
            switch label.name.count {
            case 3 where label.name.elementsEqual(OTLPLabels.job): job = span
            case 8 where label.name.elementsEqual(Batch.nameLabel): name = span
            case 8 where label.name.elementsEqual(OTLPLabels.instance): instance = span
            default: break
            }
        }
    }
}

extension SpanTable {
    @inline(__always)
    fileprivate func known(_ span: Span, tag: UInt32 = 0, in bytes: UnsafeRawBufferPointer) -> UInt32? {
        let key = span.bytes(in: bytes)
        return find(key, tag: tag, hash: SpanTable.hash(key, tag: tag), in: bytes)
    }

    /// - Returns: `value`.
    fileprivate mutating func insert(
        _ span: Span, tag: UInt32 = 0, in bytes: UnsafeRawBufferPointer, _ value: UInt32
    ) -> UInt32 {
        insert(span, tag: tag, hash: SpanTable.hash(span.bytes(in: bytes), tag: tag), value: value)
        return value
    }
}
