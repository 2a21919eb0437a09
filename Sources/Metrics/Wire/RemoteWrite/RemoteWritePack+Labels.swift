extension RemoteWritePack {
    /// - Parameters:
    ///   - named: index of the message whose first labels are looked at, best of the same name; -1 when there is none.
    ///   - last: of that whose last labels are looked at; -1 when there is none.
    ///   - isWhole: all of the samples are copied.
    /// - Returns: whether the head of the first sample is written too.
    mutating func appendLabels(
        of this: Message, like named: Int, beside last: Int, isWhole: Bool
    ) -> Bool {
        guard named >= 0, last >= 0 else {
            writer.literal(this.head, this.headBytes)
            _ = appendRest(of: this, from: 0, to: this.labels.count)
            return false
        }
        var end = last
        var shared = LabelBytes.sharedEnd(this.labels, messages[last].labels)
        if shared * 2 < this.labels.count, named != last {
            let other = LabelBytes.sharedEnd(this.labels, messages[named].labels)
            if other > shared { (shared, end) = (other, named) }
        }
        let at = appendLabels(of: this, upTo: this.labels.count - shared, like: messages[named])
        shared = this.labels.count - at
        guard shared >= SnappyWriter.shortestCopy else {
            writer.literal(UnsafeRawBufferPointer(rebasing: this.labels.suffix(shared)))
            return false
        }
        // What lies behind them may be the same too.
        let isBegun = !isWhole && head(this.points.lowerBound) == head(messages[end].points.lowerBound)
        writer.copy(this.samplesAt - messages[end].samplesAt, isBegun ? shared + SampleHead.bytes : shared)
        return isBegun
    }

    /// What the labels of two series differ in is found where it is: only what lies at the same distance from their begin is
    /// compared.
    ///
    /// - Returns: how many bytes of the labels are written.
    private mutating func appendLabels(of this: Message, upTo end: Int, like other: Message) -> Int {
        // The last bytes of its length are mostly the same.
        let changed = 8 - (this.head ^ other.head).leadingZeroBitCount / 8
        var head = this.headBytes == other.headBytes ? this.headBytes - changed : 0
        writer.literal(this.head, this.headBytes - head)
        let limit = min(end, other.labels.count)
        var (at, written) = (0, 0)
        while at < limit, at - written < RemoteWritePack.patience {
            let same = LabelBytes.shared(this.labels, other.labels, from: at, to: limit)
            if head + same >= SnappyWriter.shortestCopy {
                writer.literal(UnsafeRawBufferPointer(rebasing: this.labels[written..<at]))
                writer.copy(this.labelsAt - other.labelsAt, head + same)
                head = 0
                written = at + same
            } else if head > 0 {
                writer.literal(this.head >> UInt64(8 * (this.headBytes - head)), head)
                head = 0
            }
            // The next byte differs.
            at += same + 1
        }
        writer.literal(this.head >> UInt64(8 * (this.headBytes - head)), head)
        return appendRest(of: this, from: written, to: end)
    }

    /// Labels that neither the series before nor the one of the same name has: others may have them.
    ///
    /// - Returns: how many bytes of the labels are written, at least `end`.
    private mutating func appendRest(of this: Message, from start: Int, to end: Int) -> Int {
        var written = start
        var at = 0
        while at < end {
            let next = at + LabelBytes.firstLength(UnsafeRawBufferPointer(rebasing: this.labels[at...]))
            if at >= start {
                let label = UnsafeRawBufferPointer(rebasing: this.labels[at..<next])
                if next - at >= RemoteWritePack.shortestLabel, let back = seen(label, this.labelsAt + at) {
                    writer.literal(UnsafeRawBufferPointer(rebasing: this.labels[written..<at]))
                    writer.copy(back, next - at)
                    written = next
                }
            }
            at = next
        }
        guard written < end else { return written }
        writer.literal(UnsafeRawBufferPointer(rebasing: this.labels[written..<end]))
        return end
    }

    /// How far back the same label is; nil when it is not known.
    private mutating func seen(_ label: UnsafeRawBufferPointer, _ position: Int) -> Int? {
        let before = labels.replace(LabelBytes.firstMark(label), written.count)
        written.append((label, position))
        guard before >= 0, position - written[before].position <= SnappyWriter.mostBack,
            LabelBytes.haveSameFirst(label, written[before].bytes)
        else { return nil }
        return position - written[before].position
    }

    /// A shorter one is not worth looking for.
    private static let shortestLabel = 12

    /// So many bytes without a shared stretch: text of another length has moved what follows.
    private static let patience = 24
}
