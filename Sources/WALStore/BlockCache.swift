import Metrics
import Synchronization

/// Rows that somebody will want again: just committed ones, for live delivery, decoded or as the bodies they came in,
/// blocks that are leased in pieces or by several backends, and the bases that blocks stand on. One for a node, with a bound for all of it and one for each spool.
public final class BlockCache: Sendable {
    private struct Key: Hashable {
        var spool: UInt64
        var sequence: Int64
    }
    private struct Entry {
        var block: DecodedBlock?
        var blockBytes = 0
        var bodies: RowBodies?
        var base: BlockBase?
        var usedAt: UInt64 = 0
        var bytes: Int {
            BlockCache.placeBytes + blockBytes + (bodies?.bytes ?? 0) + (base?.allocatedBytes ?? 0)
        }
    }
    /// Keys in the order of their uses. Only the last use of a key counts: those before it are passed over, and cleared
    /// away before they are most of it.
    private struct UseOrder {
        private var uses: [(key: Key, at: UInt64)] = []
        private var start = 0

        /// - Parameter live: how many keys of this order are in `entries`.
        mutating func add(_ key: Key, at use: UInt64, live: Int, _ entries: [Key: Entry]) {
            if uses.count >= 2 * live + 64 {
                uses = uses[start...].filter { entries[$0.key]?.usedAt == $0.at }
                start = 0
            }
            uses.append((key, use))
        }

        mutating func takeOldest(_ entries: [Key: Entry]) -> Key? {
            while start < uses.count {
                defer { start += 1 }
                if entries[uses[start].key]?.usedAt == uses[start].at { return uses[start].key }
            }
            return nil
        }
    }
    private struct Share {
        var bytes = 0
        var count = 0
        var order = UseOrder()
    }
    private struct State {
        var entries: [Key: Entry] = [:]
        var bytes = 0
        var order = UseOrder()
        /// What each spool has of it.
        var shares: [UInt64: Share] = [:]
        var uses: UInt64 = 0
        var spools: UInt64 = 0
    }

    /// An entry's place in the table, and its uses in two orders.
    static let placeBytes = 384

    static func bytes(of block: DecodedBlock) -> Int {
        block.batch.allocatedBytes + block.origins.count * MemoryLayout<OriginRun>.stride
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

    func block(_ spool: UInt64, _ sequence: Int64) -> DecodedBlock? { find(spool, sequence) { $0.block } }
    func bodies(_ spool: UInt64, _ sequence: Int64) -> RowBodies? { find(spool, sequence) { $0.bodies } }

    /// A base has a place of its own: the row of the same sequence is another.
    func base(_ spool: UInt64, _ id: Int64) -> BlockBase? { find(spool, -id) { $0.base } }

    private func find<Kept: Sendable>(
        _ spool: UInt64, _ sequence: Int64, _ part: (Entry) -> Kept?
    ) -> Kept? {
        state.withLock { state in
            let key = Key(spool: spool, sequence: sequence)
            guard let kept = state.entries[key].flatMap(part) else { return nil }
            BlockCache.use(key, &state)
            return kept
        }
    }

    func insert(_ block: DecodedBlock, _ spool: UInt64, _ sequence: Int64) {
        // Counted here, not under the lock that all spools share.
        let bytes = BlockCache.bytes(of: block)
        add(spool, sequence) { ($0.block, $0.blockBytes) = (block, bytes) }
    }

    func insert(_ bodies: RowBodies, _ spool: UInt64, _ sequence: Int64) {
        add(spool, sequence) { $0.bodies = bodies }
    }

    func insert(_ base: BlockBase, _ spool: UInt64) {
        add(spool, -base.id) { $0.base = base }
    }

    /// Puts something new beside what is kept of the row.
    private func add(_ spool: UInt64, _ sequence: Int64, _ change: (inout Entry) -> Void) {
        state.withLock { state in
            let key = Key(spool: spool, sequence: sequence)
            var entry = state.entries[key] ?? Entry()
            change(&entry)
            let bytes = entry.bytes
            guard bytes <= maximumSpoolBytes, bytes <= maximumBytes else { return }
            BlockCache.remove(key, &state)
            state.entries[key] = entry
            state.bytes += bytes
            state.shares[spool, default: Share()].bytes += bytes
            state.shares[spool, default: Share()].count += 1
            BlockCache.use(key, &state)
            while state.shares[spool]?.bytes ?? 0 > maximumSpoolBytes,
                let oldest = state.shares[spool]?.order.takeOldest(state.entries)
            {
                BlockCache.remove(oldest, &state)
            }
            while state.bytes > maximumBytes, let oldest = state.order.takeOldest(state.entries) {
                BlockCache.remove(oldest, &state)
            }
        }
    }

    /// The row is no longer what it was.
    func remove(_ spool: UInt64, _ sequence: Int64) {
        state.withLock { BlockCache.remove(Key(spool: spool, sequence: sequence), &$0) }
    }

    func removeAll(_ spool: UInt64) {
        state.withLock { state in
            for key in state.entries.keys where key.spool == spool { BlockCache.remove(key, &state) }
        }
    }

    private static func use(_ key: Key, _ state: inout State) {
        state.uses += 1
        state.entries[key]?.usedAt = state.uses
        state.order.add(key, at: state.uses, live: state.entries.count, state.entries)
        let count = state.shares[key.spool]?.count ?? 0
        state.shares[key.spool]?.order.add(key, at: state.uses, live: count, state.entries)
    }

    private static func remove(_ key: Key, _ state: inout State) {
        guard let entry = state.entries.removeValue(forKey: key) else { return }
        state.bytes -= entry.bytes
        state.shares[key.spool]?.bytes -= entry.bytes
        state.shares[key.spool]?.count -= 1
        if state.shares[key.spool]?.count == 0 { state.shares[key.spool] = nil }
    }
}
