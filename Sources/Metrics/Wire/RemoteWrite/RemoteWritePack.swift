/// The elements of one block in the making. Positions are those of the plain bytes, which are nowhere.
struct RemoteWritePack: ~Copyable {
    var writer: SnappyWriter
    let bits: UnsafeBufferPointer<UInt64>
    let times: UnsafeBufferPointer<UInt64>
    /// Plain bytes so far.
    private var position = 0
    /// Those in the block so far.
    private(set) var messages: [Message] = []
    private var sameName = RecentMessages()
    private var sameSamples = RecentMessages()
    /// Labels that no neighbour had, and where they are.
    var written: [(bytes: UnsafeRawBufferPointer, position: Int)] = []
    var labels = RecentMessages()
    /// The newest that begins with a value of 0, and the newest that does not; the newest whose samples are all of a form.
    private var newest = (zero: -1, other: -1, even: -1)

    /// One series in the block.
    struct Message {
        /// Its key and length, and how many bytes these are.
        var head: UInt64
        var headBytes: Int
        var labels: UnsafeRawBufferPointer
        var labelsAt: Int
        /// In the columns.
        var points: Range<Int>
        /// Bytes of each sample, when all are of the same form and have a value other than 0; otherwise 0.
        var evenBytes = 0
        var samplesAt: Int { labelsAt + labels.count }
    }

    /// - Parameters:
    ///   - series: so many will be appended.
    ///   - bits, times: columns of `SeriesColumns`; must outlive this, like `room`.
    init(
        _ series: Int, _ bits: UnsafeBufferPointer<UInt64>, _ times: UnsafeBufferPointer<UInt64>,
        _ room: UnsafeMutableRawBufferPointer
    ) {
        messages.reserveCapacity(series)
        writer = SnappyWriter(room)
        self.bits = bits
        self.times = times
    }

    /// - Returns: bytes of elements.
    mutating func finish(_ plainBytes: Int) -> Int {
        precondition(position == plainBytes, "the size was computed from the same values")
        writer.endLiteral()
        return writer.count
    }

    /// Appends one series.
    ///
    /// - Parameters:
    ///   - labels: as they go out; must outlive this.
    ///   - points: in the columns, at least one.
    ///   - sampleBytes: what they take.
    mutating func append(_ labels: UnsafeRawBufferPointer, _ points: Range<Int>, _ sampleBytes: Int) {
        let size = labels.count + sampleBytes
        let lengthBytes = Varint.length(size)
        var this = Message(
            head: PackedVarint.of(Int64(size)) << 8 | 0x0A, headBytes: 1 + lengthBytes, labels: labels,
            labelsAt: position + 1 + lengthBytes, points: points)
        let index = messages.count
        let last = reachable(index - 1, this)
        var named = reachable(sameName.replace(LabelBytes.firstMark(labels), index), this)
        if named < 0 || !LabelBytes.haveSameFirst(labels, messages[named].labels) { named = last }
        var equal = reachable(sameSamples.replace(samplesMark(points), index), this)
        if equal >= 0, !haveSameSamples(points, messages[equal].points) { equal = -1 }
        let isBegun = appendLabels(of: this, like: named, beside: last, isWhole: equal >= 0)
        let even = equal < 0 ? reachable(newest.even, this) : -1
        if equal >= 0 {
            writer.copy(this.samplesAt - messages[equal].samplesAt, sampleBytes)
            this.evenBytes = messages[equal].evenBytes
        } else if even >= 0, isLike(messages[even], points, sampleBytes) {
            appendSamples(of: this, beside: messages[even], isBegun: isBegun)
            this.evenBytes = messages[even].evenBytes
        } else {
            let alike = reachable(isZero(points.lowerBound) ? newest.zero : newest.other, this)
            let other = alike >= 0 ? alike : last
            let isEven = appendSamples(of: this, after: other >= 0 ? messages[other] : nil, isBegun: isBegun)
            if isEven, !isZero(points.lowerBound) { this.evenBytes = sampleBytes / points.count }
        }
        note(this)
        position = this.samplesAt + sampleBytes
    }

    private mutating func note(_ this: Message) {
        let index = messages.count
        if this.evenBytes > 0 { newest.even = index }
        if isZero(this.points.lowerBound) { newest.zero = index } else { newest.other = index }
        messages.append(this)
    }

    private func isZero(_ index: Int) -> Bool { bits[index] == 0 }

    /// - Returns: its index; -1 also when it lies too far back to be copied from.
    @inline(__always)
    private func reachable(_ index: Int, _ this: Message) -> Int {
        index >= 0 && this.samplesAt - messages[index].labelsAt <= SnappyWriter.mostBack ? index : -1
    }
}
