import Synchronization

/// What a node remembers of its chains (`ChainRecords`), kept in a file that is only ever added to.
///
/// A record is written behind the commit that begins a chain: one that is not there after a crash accuses nobody. It is no
/// reason to fail a commit; what could not be written is tried again with the next one.
final class ChainMemory: Sendable {
    /// What is known of a tenant's chain.
    enum Recollection: Sendable, Equatable {
        /// Nothing is, or the file cannot be read at present.
        case nothing
        case record(ChainRecord)
        /// The chains of this node were made with another key.
        case otherKey
    }

    let path: String
    private let files: Files
    private let events: EventSink
    private let state = Mutex(State())

    private struct State {
        var records: ChainRecords?
        var isOfAnotherKey = false
        /// The file is not what `records` is: it is written as a whole.
        var isToBeRewritten = false
        var hasComplained = false
    }

    /// Reads nothing yet.
    init(path: String, files: Files, events: @escaping EventSink) {
        self.path = path
        self.files = files
        self.events = events
    }

    func recall(_ tenant: String, _ key: ChainKey) -> Recollection {
        state.withLock { state in
            load(&state, key)
            if state.isOfAnotherKey { return .otherKey }
            return state.records?.byTenant[tenant].map { .record($0) } ?? .nothing
        }
    }

    /// Durably; a tenant that is remembered stays as it is.
    ///
    /// - Returns: what is remembered of it now; nil where the chains are of another key.
    @discardableResult
    func remember(_ record: ChainRecord, _ key: ChainKey) throws(SpoolError) -> ChainRecord? {
        try state.withLock { state -> Result<ChainRecord?, SpoolError> in
            load(&state, key)
            if state.isOfAnotherKey { return .success(nil) }
            if let known = state.records?.byTenant[record.tenant] { return .success(known) }
            return Result { () throws(SpoolError) in
                try write(record, &state)
                return record
            }
        }.get()
    }

    private func write(_ record: ChainRecord, _ state: inout State) throws(SpoolError) {
        // Changed where they are: a copy of thousands for each that is added would be made under the lock.
        guard let line = state.records?.line(of: record) else {
            throw SpoolError(.unavailable, "\(path) cannot be read")
        }
        if state.isToBeRewritten {
            try files.replace(path, with: (state.records?.bytes ?? []) + line)
        } else {
            // Until it is known to be there whole.
            state.isToBeRewritten = true
            do throws(FileError) {
                try files.disk.append(line, to: path)
                try files.disk.sync(path)
            } catch { throw Files.failure("write", path, error) }
        }
        state.isToBeRewritten = false
        state.records?.add(record)
    }

    private func load(_ state: inout State, _ key: ChainKey) {
        guard state.records == nil, !state.isOfAnotherKey else { return }
        let bytes: [UInt8]?
        do throws(SpoolError) {
            bytes = try files.read(path, limit: ChainRecords.maximumBytes)
        } catch {
            if !state.hasComplained {
                events(
                    Event(
                        .error, "what is remembered of the chains cannot be read", ["error": error.description]))
            }
            state.hasComplained = true
            return
        }
        switch bytes.map({ ChainRecords.read($0, key) }) {
        case nil: (state.records, state.isToBeRewritten) = (ChainRecords(key), true)
        case .records(let records, let isTorn): (state.records, state.isToBeRewritten) = (records, isTorn)
        case .otherKey:
            state.isOfAnotherKey = true
            events(
                Event(
                    .error,
                    "the chains of this node were made with another key than the config has: they are left alone, and nothing that is written is proven",
                    ["file.path": path]))
        case .altered: replaceAltered(&state, key)
        }
    }

    /// It is kept under another name, and all chains that are found from here on are found without being remembered.
    private func replaceAltered(_ state: inout State, _ key: ChainKey) {
        let name = "\(path).altered-\(UTC.name(files.wall()))"
        do throws(SpoolError) { try files.rename(path, to: name) } catch { return }
        (state.records, state.isToBeRewritten) = (ChainRecords(key), true)
        events(
            Event(
                .error,
                "what is remembered of the chains is not as the node wrote it: it is moved aside, and begins anew",
                ["file.path": path, "file.name": name]))
    }

    // MARK: From outside

    /// What a file says, to who only reads it.
    ///
    /// - Throws: `.unavailable` when it cannot be read.
    static func read(_ path: String, _ key: ChainKey) throws(SpoolError) -> ChainRecords.Reading? {
        try Files.system.read(path, limit: ChainRecords.maximumBytes).map { ChainRecords.read($0, key) }
    }
}
