import CSQLite

/// SQLite's locks on one database file, by open handle. <https://sqlite.org/lockingv3.html>
///
/// Reached only under the disk's lock.
final class DatabaseLocks {
    private var levels: [ObjectIdentifier: Int32] = [:]

    func level(of handle: ObjectIdentifier) -> Int32 { levels[handle] ?? SQLITE_LOCK_NONE }

    private func highest(besides handle: ObjectIdentifier) -> Int32 {
        levels.reduce(SQLITE_LOCK_NONE) { $1.key == handle ? $0 : max($0, $1.value) }
    }

    /// - Returns: false when another handle is in the way.
    func raise(_ handle: ObjectIdentifier, to level: Int32) -> Bool {
        let (own, others) = (self.level(of: handle), highest(besides: handle))
        if own >= level { return true }
        switch level {
        case SQLITE_LOCK_SHARED:
            if others >= SQLITE_LOCK_PENDING { return false }
        case SQLITE_LOCK_RESERVED:
            if others >= SQLITE_LOCK_RESERVED { return false }
        default:
            if others >= SQLITE_LOCK_RESERVED { return false }
            if others >= SQLITE_LOCK_SHARED {
                // No new readers from here on; those that are there have to end first.
                levels[handle] = SQLITE_LOCK_PENDING
                return false
            }
        }
        levels[handle] = level
        return true
    }

    func lower(_ handle: ObjectIdentifier, to level: Int32) {
        levels[handle] = level == SQLITE_LOCK_NONE ? nil : min(level, self.level(of: handle))
    }

    /// Whether anybody means to write.
    var isReserved: Bool { levels.values.contains { $0 >= SQLITE_LOCK_RESERVED } }
}

/// The memory that connections to one database share: the index of its log, and eight locks.
/// <https://sqlite.org/walformat.html#the_wal_index_file_format>
///
/// Reached only under the disk's lock, but for the regions, which are SQLite's.
final class SharedMemory {
    static let lockCount = 8

    private struct Slot {
        var shared: Set<ObjectIdentifier> = []
        var exclusive: ObjectIdentifier?
    }

    private var slots = [Slot](repeating: Slot(), count: SharedMemory.lockCount)
    private(set) var regions: [UnsafeMutableRawPointer] = []
    var users = 0

    deinit { for region in regions { region.deallocate() } }

    func addRegion(bytes: Int) {
        let region = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096)
        region.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        regions.append(region)
    }

    func lockShared(_ range: Range<Int>, _ handle: ObjectIdentifier) -> Bool {
        for index in range where slots[index].exclusive.map({ $0 != handle }) ?? false { return false }
        for index in range { slots[index].shared.insert(handle) }
        return true
    }

    func lockExclusive(_ range: Range<Int>, _ handle: ObjectIdentifier) -> Bool {
        for index in range {
            if let holder = slots[index].exclusive, holder != handle { return false }
            if slots[index].shared.contains(where: { $0 != handle }) { return false }
        }
        for index in range { slots[index].exclusive = handle }
        return true
    }

    func unlock(_ range: Range<Int>, _ handle: ObjectIdentifier) {
        for index in range {
            slots[index].shared.remove(handle)
            if slots[index].exclusive == handle { slots[index].exclusive = nil }
        }
    }
}
