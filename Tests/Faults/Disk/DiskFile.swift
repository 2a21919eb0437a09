/// A file: what readers see, what is on the platters, and what lies between.
///
/// Reached only under its disk's lock.
final class DiskFile {
    /// A change that has not been synced.
    enum Change {
        case write(offset: Int, [UInt8])
        case truncate(Int)
    }

    static let pageBytes = 4096

    let inode: UInt64
    private(set) var content: DiskBytes
    /// Content that a power cut leaves untouched.
    private(set) var durable: DiskBytes
    private(set) var pending: [Change] = []
    /// Pages that a failed fsync left behind: readers see them, the platters and later syncs do not.
    private var droppedPages: Set<Int> = []
    /// Space taken without content.
    var reservedBytes = 0
    var modifiedAt: Int64 = 0
    let locks = DatabaseLocks()
    /// Handles that SQLite has on it.
    var databaseHandles = 0
    var memory: SharedMemory?

    init(inode: UInt64, content: DiskBytes = DiskBytes(), durable: DiskBytes = DiskBytes(), pending: [Change] = []) {
        self.inode = inode
        self.content = content
        self.durable = durable
        self.pending = pending
    }

    /// The same file for the next process: unlocked, unmapped.
    func afterKill() -> DiskFile {
        let next = DiskFile(inode: inode, content: content, durable: durable, pending: pending)
        next.droppedPages = droppedPages
        next.reservedBytes = reservedBytes
        next.modifiedAt = modifiedAt
        return next
    }

    /// The same file after a power cut.
    func afterPowerCut(_ survivor: DiskBytes) -> DiskFile {
        let next = DiskFile(inode: inode, content: survivor, durable: survivor)
        next.modifiedAt = modifiedAt
        next.reservedBytes = reservedBytes
        return next
    }

    /// Gives its memory back: handles of a process that was killed keep the file for as long as the test program runs.
    func forget() {
        content = DiskBytes()
        durable = DiskBytes()
        pending = []
    }

    var bytes: Int { max(content.count, reservedBytes) }

    // MARK: Changing

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard !bytes.isEmpty else { return }
        content.put(bytes, at: offset)
        let pages = offset / DiskFile.pageBytes...(offset + bytes.count - 1) / DiskFile.pageBytes
        if !droppedPages.isEmpty, !droppedPages.isDisjoint(with: pages) {
            // A page is written as a whole: what was dropped of it comes along.
            let start = pages.lowerBound * DiskFile.pageBytes
            let end = min(content.count, (pages.upperBound + 1) * DiskFile.pageBytes)
            pending.append(.write(offset: start, content[start..<end]))
            droppedPages.subtract(pages)
        } else {
            pending.append(.write(offset: offset, Array(bytes)))
        }
    }

    func truncate(_ bytes: Int) {
        content.resize(bytes)
        pending.append(.truncate(bytes))
        droppedPages = droppedPages.filter { $0 * DiskFile.pageBytes < bytes }
    }

    func sync() {
        for change in pending { durable.apply(change) }
        pending.removeAll(keepingCapacity: true)
    }

    /// The sync failed and will not be tried again; `reached` is what of it is on the disk all the same.
    func dropPending(reached: DiskBytes) {
        for change in pending {
            guard case .write(let offset, let bytes) = change else { continue }
            droppedPages.formUnion(offset / DiskFile.pageBytes...(offset + bytes.count - 1) / DiskFile.pageBytes)
        }
        durable = reached
        pending = []
    }
}

/// A folder: its names now, and as a power cut leaves them.
final class DiskFolder {
    /// What one call did to the names: nil is a name that went.
    typealias Change = [String: UInt64?]

    private(set) var names: [String: UInt64]
    private(set) var durable: [String: UInt64]
    private(set) var pending: [Change] = []

    init(names: [String: UInt64] = [:], durable: [String: UInt64] = [:], pending: [Change] = []) {
        self.names = names
        self.durable = durable
        self.pending = pending
    }

    func change(_ change: Change) {
        names.apply(change)
        pending.append(change)
    }

    func sync() {
        durable = names
        pending = []
    }
}

extension [String: UInt64] {
    mutating func apply(_ change: DiskFolder.Change) { for (name, inode) in change { self[name] = inode } }
}
