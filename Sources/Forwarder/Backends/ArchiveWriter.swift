import WALStore

/// Owns every folder of one archive, on a thread of its own: files block, and the shared pool must not.
actor ArchiveWriter {
    private let executor = ThreadExecutor()
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let name: String
    private let limits: ArchiveLimits
    private let time: TimeSource
    private let events: EventSink
    /// Open folders by tenant, with the turn of their last use.
    private var folders: [String: (folder: ArchiveFolder, turn: UInt64)] = [:]
    private var turn: UInt64 = 0

    /// Ten thousand tenants do not hold ten thousand files: the one unused for longest is closed.
    static let maximumOpenFolders = 64

    init(name: String, limits: ArchiveLimits, time: TimeSource, events: @escaping EventSink) {
        self.name = name
        self.limits = limits
        self.time = time
        self.events = events
    }

    deinit { executor.stop() }

    /// Appends `lines` to the tenant's newest file, without those that are in it already, and fsyncs them.
    func append(_ lines: [UInt8], tenant: String, folder path: String) throws(ArchiveError) {
        let folder = try open(path, tenant)
        do throws(ArchiveError) {
            try folder.append(lines, now: time.wall())
        } catch {
            // Whatever state the file is in, opening it again finds out.
            folders[tenant] = nil
            throw error
        }
        for deleted in try folder.trim() {
            events(
                Event(
                    .warning, "The archive deleted its oldest file to stay within max_bytes",
                    [
                        "backend": name, "tenant": tenant, "archive.file": deleted.name,
                        "archive.bytes": "\(deleted.bytes)",
                    ]))
        }
    }

    private func open(_ path: String, _ tenant: String) throws(ArchiveError) -> ArchiveFolder {
        turn += 1
        if let known = folders[tenant] {
            folders[tenant] = (known.folder, turn)
            return known.folder
        }
        if folders.count >= Self.maximumOpenFolders,
            let oldest = folders.min(by: { $0.value.turn < $1.value.turn })?.key
        {
            folders[oldest] = nil
        }
        let folder = try ArchiveFolder(path, limits)
        folders[tenant] = (folder, turn)
        return folder
    }
}
