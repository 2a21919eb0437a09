/// Most series of a request have the same times: their samples lie beside each other, at one distance.
extension RemoteWritePack {
    func samplesMark(_ points: Range<Int>) -> UInt64 {
        bits[points.lowerBound] &* 31 ^ bits[points.upperBound - 1] &+ UInt64(points.count)
    }

    func haveSameSamples(_ points: Range<Int>, _ others: Range<Int>) -> Bool {
        points.count == others.count && areSame(bits, points, others) && areSame(times, points, others)
    }

    @inline(__always)
    private func areSame(_ column: UnsafeBufferPointer<UInt64>, _ points: Range<Int>, _ others: Range<Int>) -> Bool {
        let shift = others.lowerBound - points.lowerBound
        for index in points where column[index] != column[index + shift] { return false }
        return true
    }

    /// Whether samples have the times of others which are all of a form, and that form.
    func isLike(_ other: Message, _ points: Range<Int>, _ sampleBytes: Int) -> Bool {
        // With the same times only a value of 0 makes a sample shorter.
        points.count == other.points.count && sampleBytes == points.count * other.evenBytes
            && areSame(times, points, other.points)
    }

    /// Samples that lie beside those of another series, at the same times and in the same form.
    mutating func appendSamples(of this: Message, beside other: Message, isBegun: Bool) {
        let back = this.samplesAt - other.samplesAt
        let length = other.evenBytes
        let shift = other.points.lowerBound - this.points.lowerBound
        let end = this.points.upperBound
        var index = this.points.lowerBound
        var value = bits[index]
        // Bytes of the value at hand that are written.
        var written = 0
        if !isBegun { writer.literal(head(index), SampleHead.bytes) }
        var hasKey = appendValue(value, written, 0, 0)
        while true {
            index += 1
            let keyed = hasKey ? length - 12 : length - 11
            guard index < end else {
                let time = times[end - 1]
                _ = appendTime(hasKey ? time : time << 8 | 0x10, keyed, back: back, 0)
                return
            }
            let next = bits[index]
            if next == value {
                writer.copy(back, keyed + SampleHead.bytes)
                writer.copy(length, 9)
                hasKey = true
                continue
            }
            written = (next ^ bits[index + shift]).trailingZeroBitCount / 8
            writer.copy(back, keyed + SampleHead.bytes + written)
            hasKey = appendValue(next, written, value, length)
            value = next
        }
    }
}
