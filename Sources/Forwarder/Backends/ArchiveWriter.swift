import WALStore

/// Owns every folder of one archive, on a thread of its own: files block, and the shared pool must not.
actor ArchiveWriter {
    private let executor = ThreadExecutor()
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let name: String
    private let limits: ArchiveLimits
    private let environment: BackendEnvironment
    /// Open folders by tenant, with the turn of their last use.
    private var folders: [String: (folder: ArchiveFolder, turn: UInt64)] = [:]
    private var turn: UInt64 = 0

    /// Ten thousand tenants do not hold ten thousand files: the one unused for longest is closed.
    static let maximumOpenFolders = 64

    init(name: String, limits: ArchiveLimits, _ environment: BackendEnvironment) {
        self.name = name
        self.limits = limits
        self.environment = environment
    }

    deinit { executor.stop() }

    /// Appends `lines` to the tenant's newest file, without those that are in it already, and fsyncs them.
    func append(_ lines: [UInt8], tenant: String, folder path: String) throws(ArchiveError) {
        let folder = try open(path, tenant)
        do throws(ArchiveError) {
            try appendMakingRoom(lines, folder, tenant)
        } catch {
            // Whatever state the file is in, opening it again finds out.
            folders[tenant] = nil
            throw error
        }
        for deleted in try folder.trim() {
            report(deleted, tenant, "The archive deleted its oldest file to stay within max_bytes")
        }
    }

    /// A full disk must not hold the archive up for ever when it is full of the archive: its oldest file goes, as it
    /// does at `max_bytes`.
    private func appendMakingRoom(_ lines: [UInt8], _ folder: ArchiveFolder, _ tenant: String) throws(ArchiveError) {
        while true {
            do throws(ArchiveError) {
                return try folder.append(lines, now: environment.time.wall())
            } catch {
                guard error.isFull, let deleted = try folder.deleteOldest(now: environment.time.wall()) else {
                    throw error
                }
                report(deleted, tenant, "The archive deleted its oldest file because there was no space for the next")
            }
        }
    }

    private func report(_ deleted: ArchiveFile, _ tenant: String, _ message: StaticString) {
        environment.events(
            Event(
                .warning, message,
                [
                    "backend": name, "tenant": tenant, "archive.file": deleted.name,
                    "archive.bytes": "\(deleted.bytes)",
                ]))
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
        let folder = try ArchiveFolder(path, limits, environment.space)
        folders[tenant] = (folder, turn)
        return folder
    }
}
