import Metrics
import Synchronization

/// Decoded blocks that somebody will want again: just committed ones, for live delivery, and those that are leased in
/// pieces or by several backends. One for a node, with a bound for all of it and one for each spool.
public final class BlockCache: Sendable {
    private struct Key: Hashable {
        var spool: UInt64
        var sequence: Int64
    }
    private struct Entry {
        var block: DecodedBlock
        var bytes: Int
        var usedAt: UInt64
    }
    private struct State {
        var entries: [Key: Entry] = [:]
        var bytes = 0
        var spoolBytes: [UInt64: Int] = [:]
        var uses: UInt64 = 0
        var spools: UInt64 = 0
    }

    public let maximumBytes: Int
    public let maximumSpoolBytes: Int
    private let state = Mutex(State())

    public init(maximumBytes: Int = 32 << 20, maximumSpoolBytes: Int = 16 << 20) {
        self.maximumBytes = maximumBytes
        self.maximumSpoolBytes = maximumSpoolBytes
    }

    /// A number for one life of one spool: entries of an earlier life are never found.
    func admitSpool() -> UInt64 {
        state.withLock {
            $0.spools += 1
            return $0.spools
        }
    }

    func block(_ spool: UInt64, _ sequence: Int64) -> DecodedBlock? {
        state.withLock { state in
            state.uses += 1
            let uses = state.uses
            let key = Key(spool: spool, sequence: sequence)
            state.entries[key]?.usedAt = uses
            return state.entries[key]?.block
        }
    }

    func insert(_ block: DecodedBlock, _ spool: UInt64, _ sequence: Int64) {
        let bytes = block.batch.memoryBytes
        guard bytes <= maximumSpoolBytes, bytes <= maximumBytes else { return }
        state.withLock { state in
            let key = Key(spool: spool, sequence: sequence)
            BlockCache.remove(key, &state)
            state.uses += 1
            state.entries[key] = Entry(block: block, bytes: bytes, usedAt: state.uses)
            state.bytes += bytes
            state.spoolBytes[spool, default: 0] += bytes
            while state.spoolBytes[spool, default: 0] > maximumSpoolBytes {
                BlockCache.removeOldest(&state) { $0.spool == spool }
            }
            while state.bytes > maximumBytes { BlockCache.removeOldest(&state) { _ in true } }
        }
    }

    func removeAll(_ spool: UInt64) {
        state.withLock { state in
            for key in state.entries.keys where key.spool == spool { BlockCache.remove(key, &state) }
        }
    }

    /// A walk over all entries: blocks are large, so there are few.
    private static func removeOldest(_ state: inout State, where isCandidate: (Key) -> Bool) {
        let oldest = state.entries.filter { isCandidate($0.key) }.min { $0.value.usedAt < $1.value.usedAt }
        if let oldest { remove(oldest.key, &state) }
    }

    private static func remove(_ key: Key, _ state: inout State) {
        guard let entry = state.entries.removeValue(forKey: key) else { return }
        state.bytes -= entry.bytes
        let left = state.spoolBytes[key.spool, default: 0] - entry.bytes
        state.spoolBytes[key.spool] = left == 0 ? nil : left
    }
}

extension Batch {
    /// Memory its columns and tables take, about: what queues and caches are bounded by.
    var memoryBytes: Int {
        var bytes = 512 + points.count * 20 + points.kinds.count + points.startTimes.count * 8 + points.flags.count
        bytes += series.labelBytes.count + series.count * 72
        bytes += strings.reduce(0) { $0 + $1.count + 32 }
        bytes += explicitHistograms.count * 512 + exponentialHistograms.count * 512 + summaries.count * 256
        bytes += exemplars.count * 128 + metadata.count * 192
        return bytes
    }
}
