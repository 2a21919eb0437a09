import Metrics

/// Where a backup is written: `DIR.partial` until it is whole and synced, then `DIR`. So a half-done one is never taken
/// for a backup, whatever ended it.
///
/// ```
/// DIR/manifest.json          what is there, with digests (BackupManifest)
/// DIR/spools/<tenant>.db     one database a tenant, without a log beside it
/// ```
struct BackupFolder: Sendable {
    static let suffix = ".partial"

    /// Where the backup is when it is whole; without links in it.
    let path: String
    private let parent: String
    private let files: Files
    /// What has to stay free where it is written; 0 on a disk that the node does not use.
    private let reserveBytes: Int64

    var partial: String { path + BackupFolder.suffix }
    private var spools: String { partial + "/spools" }

    func spool(of tenant: String) -> String { "\(partial)/\(BackupManifest.file(of: tenant))" }

    /// Makes the folder that is written to.
    ///
    /// - Parameters:
    ///   - target: absolute; not there yet, or an empty folder.
    ///   - data: the node's folder: a backup in it would be part of what is copied, and lost with it.
    ///   - node: says how much of the data's own disk has to stay free.
    ///   - bytes: what it will take, as far as that is known.
    /// - Throws: `.misuse` for a place that will not do; `.full` when it does not fit; `.unavailable` when the disk says
    ///   no. Nothing has been made then.
    init(_ target: String, data: String, node: NodeConfiguration, bytes: Int64, on files: Files) throws(SpoolError) {
        self.files = files
        let name = try BackupFolder.name(of: target)
        let above = Files.parent(of: BackupFolder.trimmed(target))
        guard let parent = files.disk.resolved(above), let data = files.disk.resolved(data) else {
            throw SpoolError(.misuse, "there is no folder \(above) to put the backup into")
        }
        self.parent = parent
        path = parent == "/" ? "/\(name)" : "\(parent)/\(name)"
        guard !"\(path)/".hasPrefix("\(data)/") else {
            throw SpoolError(
                .misuse, "\(path) lies in the data folder \(data): choose a place outside, on another disk")
        }
        let device = try BackupFolder.device(parent, files)
        let isSameDisk = try device == BackupFolder.device(data, files)
        reserveBytes = isSameDisk ? node.reserveBytes(on: try DiskSpace.of(parent, on: files)) : 0
        try BackupFolder.checkIsFree(path, device, files)
        try checkRoom(for: bytes)
        do throws(SpoolError) {
            try files.makeFolder(partial)
            try files.makeFolder(spools)
        } catch {
            abandon()
            throw error
        }
    }

    /// The last part of an absolute path that leads nowhere by detours.
    private static func name(of target: String) throws(SpoolError) -> String {
        let parts = target.split(separator: "/", omittingEmptySubsequences: true)
        guard target.hasPrefix("/"), let name = parts.last, !parts.contains("."), !parts.contains("..") else {
            throw SpoolError(.misuse, "\"\(target)\" is not the absolute path of a folder")
        }
        return String(name)
    }

    private static func trimmed(_ target: String) -> String {
        var target = target[...]
        while target.count > 1, target.hasSuffix("/") { target.removeLast() }
        return String(target)
    }

    private static func device(_ folder: String, _ files: Files) throws(SpoolError) -> UInt64 {
        guard let status = try files.status(folder), status.isFolder else {
            throw SpoolError(.misuse, "\(folder) is no folder")
        }
        return status.device
    }

    private static func checkIsFree(_ path: String, _ device: UInt64, _ files: Files) throws(SpoolError) {
        guard try !files.exists(path + suffix) else {
            throw SpoolError(
                .misuse, "\(path)\(suffix) is left of a backup that did not end: remove it, or choose another place")
        }
        guard let status = try files.status(path) else { return }
        guard status.isFolder, !status.isLink else {
            throw SpoolError(.misuse, "\(path) is in the way: it is no folder")
        }
        guard status.device == device else {
            throw SpoolError(.misuse, "another disk is mounted at \(path): name a folder in it")
        }
        let names: [String]
        do throws(FileError) { names = try files.disk.names(in: path) } catch {
            throw Files.failure("look into", path, error)
        }
        guard names.isEmpty else {
            throw SpoolError(.misuse, "\(path) is there already, with something in it: choose another place")
        }
    }

    /// - Throws: `.full` when so many bytes more do not fit, with what has to stay free.
    func checkRoom(for bytes: Int64) throws(SpoolError) {
        let free = try DiskSpace.of(parent, on: files).freeBytes
        guard free - reserveBytes < bytes else { return }
        let kept = reserveBytes > 0 ? ", of which the node keeps \(reserveBytes) free" : ""
        throw SpoolError(.full, "there is not enough room in \(parent): \(bytes) bytes to come, \(free) free\(kept)")
    }

    /// Makes what has been written of a spool durable; to be called now and then, so that little waits for it at the end.
    func sync(_ tenant: String) throws(SpoolError) {
        let path = spool(of: tenant)
        do throws(FileError) { try files.disk.sync(path) } catch { throw Files.failure("sync", path, error) }
    }

    /// Removes what has been written of one spool.
    func forget(_ tenant: String) {
        for part in ["", "-journal", "-wal", "-shm"] {
            do throws(FileError) { try files.disk.remove(spool(of: tenant) + part) } catch {}
        }
    }

    /// Writes the manifest, and gives the folder its name. Durable on return.
    func finish(_ manifest: BackupManifest) throws(SpoolError) {
        try files.syncFolder(spools)
        try files.replace("\(partial)/\(BackupManifest.name)", with: Array(manifest.json.pretty.utf8 + [10]))
        try files.rename(partial, to: path)
    }

    /// Removes all of a backup that did not become one.
    func abandon() {
        let disk = files.disk
        for folder in [spools, partial] {
            for name in files.names(in: folder) {
                do throws(FileError) { try disk.remove("\(folder)/\(name)") } catch {}
            }
            do throws(FileError) { try disk.removeFolder(folder) } catch {}
        }
        do throws(FileError) { try disk.syncFolder(parent) } catch {}
    }
}
