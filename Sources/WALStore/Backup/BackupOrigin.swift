import Synchronization

/// The node that is backed up: one that runs, in this process, or one that does not.
enum BackupOrigin: Sendable {
    case running(WALStore)
    /// Nobody else has the folder: its lock is ours.
    case stopped(DataFolder, NodeConfiguration)

    var folder: DataFolder {
        switch self {
        case .running(let store): store.folder
        case .stopped(let folder, _): folder
        }
    }

    var node: NodeConfiguration {
        switch self {
        case .running(let store): store.node
        case .stopped(_, let node): node
        }
    }

    var scheduling: Scheduling {
        switch self {
        case .running(let store): store.scheduling
        case .stopped: .system
        }
    }

    var time: TimeSource {
        switch self {
        case .running(let store): store.time
        case .stopped: .system
        }
    }

    /// Whether its spool is opened by the store: else nobody in this process has it.
    func isServed(_ tenant: String) -> Bool {
        switch self {
        case .running(let store): store.state.withLock { $0.tenants[tenant] != nil }
        case .stopped: false
        }
    }

    /// The node is about to end: nothing more can be copied.
    var isClosing: Bool {
        switch self {
        case .running(let store): store.state.withLock { $0.isClosing }
        case .stopped: false
        }
    }

    /// Tenants that have a spool, or had one, by name: also those that are not in the config.
    func tenants() -> [String] {
        let files = folder.files
        return folder.tenants().filter { tenant in
            files.mayExist(folder.spool(of: tenant)) || files.mayExist(folder.sequences(of: tenant))
        }.sorted()
    }

    /// What a copy of the spool takes, as far as that is known without opening it.
    func bytes(of tenant: String) -> Int64 {
        if case .running(let store) = self, case .open(let spool)? = store.state.withLock({ $0.tenants[tenant]?.phase })
        {
            return spool.account.databaseBytes
        }
        // A closed spool has no log; after a kill it is a part of the copy.
        let path = folder.spool(of: tenant)
        return folder.files.size(path) + folder.files.size(path + "-wal")
    }

    /// Why the file that nobody has open is not to be copied as it is; nil when nothing speaks against it.
    func obstacle(_ tenant: String) throws(SpoolError) -> String? {
        let path = folder.folder(of: tenant)
        let notes = ["\(path)/set-aside", SalvageNote.path(path)]
        for note in notes where try folder.files.exists(note) {
            return "its salvage is under way: start the node with it, and wait until that has ended"
        }
        guard try !folder.files.exists(RestoreSwap(tenant, in: folder).staged) else {
            return "a restore of it did not end: start the node, or restore it again"
        }
        guard try folder.files.exists(folder.spool(of: tenant)) else { return "its spool is gone, and it had one" }
        return nil
    }

    /// Points that were committed and that the copy has not: the log was cut, lost, or replaced.
    ///
    /// - Parameter books: of a copy of a file that nobody had open.
    func missingPoints(_ books: SpoolBooks) -> Int64 {
        let mark = CommitMark(path: folder.commits(of: books.tenant), files: folder.files).read()
        return max(0, (mark?.nextPosition ?? 0) - books.points)
    }

    func reservedBefore(_ tenant: String) throws(SpoolError) -> Int64 {
        try HighWaterMark(path: folder.sequences(of: tenant), files: folder.files, wall: time.wall).read()
    }
}
