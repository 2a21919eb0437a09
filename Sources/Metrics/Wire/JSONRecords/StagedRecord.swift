/// One record while it is read: nothing reaches the batch before the whole of it was seen.
struct StagedRecord: Sendable {
    enum Value: Sendable {
        case none
        case scalar(PointKind, UInt64)
        case string([UInt8])
        case explicit(ExplicitHistogram)
        case exponential(ExponentialHistogram)
        case summary(Summary)
    }
    struct StagedExemplar: Sendable {
        var labels: [UInt8]
        var valueBits: UInt64
        var time: Int64?
    }
    /// A bit a key.
    var seen: UInt32 = 0
    var field: JSONReader.Text?
    var unit: JSONReader.Text?
    var kind = MetricKind.unknown
    var temporality = Temporality.unspecified
    var isMonotonic = false
    var resource: Resource?
    var scope: Scope?
    var value = Value.none
    var time: Int64 = 0
    var startTime: Int64 = 0
    var flags: PointFlags = []
    var exemplars: [StagedExemplar] = []
    var metadata: MetricMetadata?
    /// What sets this point aside although it is a record.
    var fault: (reason: RefusalReason, detail: String)?
    /// What sets an exemplar aside, and not its point.
    var exemplarFault: String?
    /// Names of labels with an empty value: absent, yet they may not come twice.
    var emptyLabels: [[UInt8]] = []

    mutating func reset(arrivalTime: Int64) {
        seen = 0
        field = nil
        unit = nil
        kind = .unknown
        temporality = .unspecified
        isMonotonic = false
        if resource != nil { resource = nil }
        if scope != nil { scope = nil }
        value = .none
        time = arrivalTime
        startTime = 0
        flags = []
        if !exemplars.isEmpty { exemplars.removeAll(keepingCapacity: true) }
        if metadata != nil { metadata = nil }
        if fault != nil { fault = nil }
        if exemplarFault != nil { exemplarFault = nil }
        if !emptyLabels.isEmpty { emptyLabels.removeAll() }
    }
}
