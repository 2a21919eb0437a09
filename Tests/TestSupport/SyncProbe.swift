import CSQLite
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Counts the syncs that SQLite asks of files, and fails those a test names: a layer over the system's own VFS, made
/// the process's default once. It touches only files under paths that somebody watches.
///
/// `sqlite3_io_methods` of a watched file is replaced by a copy that comes here first; the file itself stays the
/// system's. <https://sqlite.org/vfs.html>
public enum SyncProbe {
    private struct Watch {
        var syncs: [String: Int] = [:]
        var failures: [String: Int] = [:]
        var held: Hold?
    }

    /// A disk that does not answer: syncs wait until it is let go.
    public final class Hold: Sendable {
        fileprivate let suffix: String
        private let gate = DispatchGroup()
        private let arrivals = Recorder<Void>()

        fileprivate init(_ suffix: String) {
            self.suffix = suffix
            gate.enter()
        }

        /// Returns when the first sync has come.
        public func arrived() async { await arrivals.first { true } }

        /// Once; then all of them go on.
        public func letGo() { gate.leave() }

        fileprivate func wait() {
            arrivals.record(())
            gate.wait()
        }
    }
    private struct OpenFile {
        var path: String
        var methods: UInt
    }
    private struct State {
        var isInstalled = false
        /// By folder.
        var watches: [String: Watch] = [:]
        /// By the address of the `sqlite3_file`.
        var files: [UInt: OpenFile] = [:]
        /// Our copy of each set of methods, by the address of the original: kept for ever, there are few.
        var copies: [UInt: UInt] = [:]
        var open:
            (
                @convention(c) (
                    UnsafeMutablePointer<sqlite3_vfs>?, sqlite3_filename?,
                    UnsafeMutablePointer<sqlite3_file>?, Int32, UnsafeMutablePointer<Int32>?
                ) -> Int32
            )?
    }
    private static let state = Mutex(State())

    /// From here on databases opened under `folder` are watched.
    public static func watch(_ folder: String) {
        install()
        state.withLock { $0.watches[folder] = Watch() }
    }

    /// Syncs asked so far of files under `folder` whose name ends with `suffix` (`-wal`).
    public static func syncs(_ folder: String, _ suffix: String) -> Int {
        state.withLock { state in
            (state.watches[folder]?.syncs ?? [:]).reduce(0) { $0 + ($1.key.hasSuffix(suffix) ? $1.value : 0) }
        }
    }

    /// The next `count` syncs of files under `folder` whose name ends with `suffix` fail like a broken disk.
    public static func failSyncs(_ folder: String, _ suffix: String, _ count: Int) {
        state.withLock { $0.watches[folder]?.failures[suffix] = count }
    }

    /// From here on syncs of files under `folder` whose name ends with `suffix` wait until the hold is let go.
    public static func holdSyncs(_ folder: String, _ suffix: String) -> Hold {
        let hold = Hold(suffix)
        state.withLock { $0.watches[folder]?.held = hold }
        return hold
    }

    // MARK: The layer

    private static func install() {
        let isFirst = state.withLock { state in
            defer { state.isInstalled = true }
            return !state.isInstalled
        }
        guard isFirst, let system = sqlite3_vfs_find(nil) else { return }
        let layer = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        layer.initialize(to: system.pointee)
        layer.pointee.pNext = nil
        layer.pointee.zName = UnsafePointer(strdup("sync-probe"))
        layer.pointee.xOpen = { vfs, name, file, flags, outFlags in
            SyncProbe.open(vfs, name, file, flags, outFlags)
        }
        state.withLock { $0.open = system.pointee.xOpen }
        sqlite3_vfs_register(layer, 1)
    }

    private static func open(
        _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ name: sqlite3_filename?,
        _ file: UnsafeMutablePointer<sqlite3_file>?, _ flags: Int32, _ outFlags: UnsafeMutablePointer<Int32>?
    ) -> Int32 {
        guard let system = state.withLock({ $0.open }) else { return SQLITE_CANTOPEN }
        let code = system(vfs, name, file, flags, outFlags)
        guard code == SQLITE_OK, let file, let name, let methods = file.pointee.pMethods else { return code }
        let path = String(cString: name)
        state.withLock { state in
            guard state.watches.keys.contains(where: { path.hasPrefix($0) }) else { return }
            let original = UInt(bitPattern: methods)
            let copy = state.copies[original] ?? SyncProbe.copy(methods)
            state.copies[original] = copy
            state.files[UInt(bitPattern: file)] = OpenFile(path: path, methods: original)
            file.pointee.pMethods = UnsafePointer(bitPattern: copy)
        }
        return code
    }

    private static func copy(_ methods: UnsafePointer<sqlite3_io_methods>) -> UInt {
        let copy = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        copy.initialize(to: methods.pointee)
        copy.pointee.xSync = { file, flags in
            guard let (original, mayPass, hold) = SyncProbe.noteSync(file) else { return SQLITE_MISUSE }
            hold?.wait()
            return mayPass ? original.pointee.xSync(file, flags) : SyncProbe.syncFailure
        }
        copy.pointee.xClose = { file in
            guard let original = SyncProbe.forget(file) else { return SQLITE_MISUSE }
            return original.pointee.xClose(file)
        }
        return UInt(bitPattern: copy)
    }

    /// `SQLITE_IOERR_FSYNC`, a macro that Swift does not import.
    private static let syncFailure = SQLITE_IOERR | (4 << 8)

    private static func noteSync(
        _ file: UnsafeMutablePointer<sqlite3_file>?
    ) -> (UnsafePointer<sqlite3_io_methods>, mayPass: Bool, hold: Hold?)? {
        state.withLock { state in
            guard let known = state.files[UInt(bitPattern: file)],
                let original = UnsafePointer<sqlite3_io_methods>(bitPattern: known.methods)
            else { return nil }
            var (mayPass, hold) = (true, Hold?.none)
            for folder in state.watches.keys where known.path.hasPrefix(folder) {
                state.watches[folder]?.syncs[known.path, default: 0] += 1
                if let held = state.watches[folder]?.held, known.path.hasSuffix(held.suffix) { hold = held }
                for (suffix, left) in state.watches[folder]?.failures ?? [:]
                where left > 0 && known.path.hasSuffix(suffix) {
                    state.watches[folder]?.failures[suffix] = left - 1
                    mayPass = false
                }
            }
            return (original, mayPass, hold)
        }
    }

    private static func forget(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafePointer<sqlite3_io_methods>? {
        state.withLock { state in
            state.files.removeValue(forKey: UInt(bitPattern: file)).flatMap { UnsafePointer(bitPattern: $0.methods) }
        }
    }
}
