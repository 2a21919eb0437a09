extension Batch {
    /// Memory its columns and tables take, about, without room for more: what queues are bounded by.
    public var memoryBytes: Int {
        512 + points.usedBytes + series.labelBytes.count + series.count * 72 + tableBytes
    }

    /// Memory it holds, about, room for more included: what a cache is bounded by. A batch that was decoded where a large
    /// one was before holds many times what it uses.
    public var allocatedBytes: Int { 512 + points.allocatedBytes + series.allocatedBytes + tableBytes }

    /// Values that are no scalars, and what series and points refer to.
    private var tableBytes: Int {
        var bytes = strings.reduce(0) { $0 + $1.count + 48 } + texts.count * 64
        bytes += explicitHistograms.count * 512 + exponentialHistograms.count * 512 + summaries.count * 256
        bytes += exemplars.count * 128 + metadata.count * 192
        return bytes + (resources.count + scopes.count) * 512
    }

    /// The same batch without room for more, for whoever keeps it: to be walked, not searched.
    public func trimmed() -> Batch {
        var batch = self
        batch.series = series.trimmed()
        batch.points = points.trimmed()
        return batch
    }
}

extension PointColumns {
    fileprivate var usedBytes: Int { count * 20 + kinds.count + startTimes.count * 8 + flags.count }

    fileprivate var allocatedBytes: Int {
        heapBytes(series) + heapBytes(times) + heapBytes(bits) + heapBytes(kinds) + heapBytes(startTimes)
            + heapBytes(flags)
    }

    fileprivate func trimmed() -> PointColumns {
        var columns = PointColumns()
        columns.series = exactCopy(series)
        columns.times = exactCopy(times)
        columns.bits = exactCopy(bits)
        columns.kinds = exactCopy(kinds)
        columns.startTimes = exactCopy(startTimes)
        columns.flags = exactCopy(flags)
        return columns
    }
}

/// Memory of an array's elements with the headers that Swift and the allocator put before them.
func heapBytes<Element>(_ array: [Element]) -> Int {
    array.capacity == 0 ? 0 : 48 + array.capacity * MemoryLayout<Element>.stride
}

/// A copy that has no room for more.
func exactCopy<Element>(_ array: [Element]) -> [Element] {
    array.withUnsafeBufferPointer { Array($0) }
}
