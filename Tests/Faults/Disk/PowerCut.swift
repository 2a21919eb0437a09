import TestSupport

/// What a power cut leaves of what had not been synced.
struct PowerCut {
    /// The unit that the disk writes; with a larger `atom` a torn write garbles up to that much around it.
    static let sectorBytes = 512

    private enum Style { case nothing, everything, prefix, mixed }

    private let style: Style
    /// How much a write that the cut met may spoil, aligned: a sector, or a page of a disk with larger ones.
    private let atomBytes: Int
    private let garbles: Bool
    private var random: SeededGenerator

    /// Chooses once for the whole disk: a cut is one moment.
    init(_ random: inout SeededGenerator) {
        switch random.next() % 10 {
        case 0, 1: style = .nothing
        case 2: style = .everything
        case 3, 4: style = .prefix
        default: style = .mixed
        }
        atomBytes = random.next() % 2 == 0 ? PowerCut.sectorBytes : 4096
        garbles = random.next() % 2 == 0
        self.random = SeededGenerator(seed: random.next())
    }

    // MARK: Content

    mutating func survivor(of file: DiskFile) -> DiskBytes { survivor(file.durable, file.pending) }

    mutating func survivor(_ durable: DiskBytes, _ pending: [DiskFile.Change]) -> DiskBytes {
        if pending.isEmpty { return durable }
        switch style {
        case .nothing: return durable
        case .everything: return pending.reduce(into: durable) { $0.apply($1) }
        case .prefix: return prefix(durable, pending)
        case .mixed: return mixed(durable, pending)
        }
    }

    /// The writes reached the disk in order, up to one that was torn between two sectors.
    private mutating func prefix(_ durable: DiskBytes, _ pending: [DiskFile.Change]) -> DiskBytes {
        var content = durable
        let whole = random.below(pending.count)
        for change in pending.prefix(whole) { content.apply(change) }
        guard case .write(let offset, let bytes) = pending[whole], bytes.count > 1 else { return content }
        var end = offset + random.below(bytes.count)
        end -= end % PowerCut.sectorBytes
        if end > offset { content.apply(.write(offset: offset, Array(bytes.prefix(end - offset)))) }
        if garbles { garble(&content, around: max(offset, end)) }
        return content
    }

    /// Each sector by itself: as it was, as any write left it, or garbage. A sector of the end that never came is zero.
    private mutating func mixed(_ durable: DiskBytes, _ pending: [DiskFile.Change]) -> DiskBytes {
        var size = durable.count
        let sizesKept = random.below(pending.count + 1)
        var written: [Int: [Int]] = [:]
        for (index, change) in pending.enumerated() {
            switch change {
            case .truncate(let bytes):
                if index < sizesKept { size = bytes }
            case .write(let offset, let bytes):
                if index < sizesKept { size = max(size, offset + bytes.count) }
                let sectors = offset / PowerCut.sectorBytes...(offset + bytes.count - 1) / PowerCut.sectorBytes
                for sector in sectors { written[sector, default: []].append(index) }
            }
        }
        var content = durable
        content.resize(size)
        for sector in written.keys.sorted() {
            guard let writes = written[sector] else { continue }
            let kept = random.below(writes.count + 1)
            for index in writes.prefix(kept) { content.apply(pending[index], in: sector, size: size) }
            if garbles, kept < writes.count, random.below(4) == 0 {
                garble(&content, around: sector * PowerCut.sectorBytes)
            }
        }
        return content
    }

    private mutating func garble(_ content: inout DiskBytes, around offset: Int) {
        let start = offset - offset % atomBytes
        let end = min(content.count, start + atomBytes)
        guard start < end else { return }
        for index in stride(from: start, to: end, by: 8) {
            let noise = random.next()
            for byte in index..<min(end, index + 8) {
                content[byte] = UInt8(truncatingIfNeeded: noise >> UInt64(8 * (byte - index)))
            }
        }
    }

    // MARK: Names

    mutating func survivor(of folder: DiskFolder) -> [String: UInt64] {
        switch style {
        case .nothing: return folder.durable
        case .everything: return folder.names
        case .prefix:
            let kept = random.below(folder.pending.count + 1)
            return folder.pending.prefix(kept).reduce(into: folder.durable) { $0.apply($1) }
        case .mixed:
            return folder.pending.reduce(into: folder.durable) { names, change in
                if random.next() % 2 == 0 { names.apply(change) }
            }
        }
    }
}

extension SeededGenerator {
    mutating func below(_ count: Int) -> Int { count > 0 ? Int(next() % UInt64(count)) : 0 }
}

extension DiskBytes {
    /// The part of a write that falls in one sector, as far as the file reaches.
    fileprivate mutating func apply(_ change: DiskFile.Change, in sector: Int, size: Int) {
        guard case .write(let offset, let bytes) = change else { return }
        let start = Swift.max(offset, sector * PowerCut.sectorBytes)
        let end = Swift.min(offset + bytes.count, (sector + 1) * PowerCut.sectorBytes, size)
        guard start < end else { return }
        bytes.withUnsafeBytes { source in
            put(UnsafeRawBufferPointer(rebasing: source[start - offset..<end - offset]), at: start)
        }
    }
}
