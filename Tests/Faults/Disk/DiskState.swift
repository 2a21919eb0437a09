import TestSupport
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// All of a disk. Reached only under the disk's lock.
final class DiskState {
    private static let root: UInt64 = 1

    private var files: [UInt64: DiskFile] = [:]
    private var folders: [UInt64: DiskFolder] = [root: DiskFolder()]
    private var nextInode: UInt64 = 2
    private var random: SeededGenerator
    private var knownParts: [String: [String]] = [:]
    /// Locks on plain files, by inode.
    var fileLocks: [UInt64: ObjectIdentifier] = [:]

    var bytes: Int64
    /// Which process has it: mounts of others are dead.
    private(set) var life = 1
    private(set) var isOff = false
    private(set) var calls = 0
    /// When the power goes off.
    struct Cut {
        var left: Int
        var calls: Set<DiskCall.Kind>?

        /// Whether this call is the one.
        mutating func meets(_ call: DiskCall.Kind) -> Bool {
            guard calls?.contains(call) ?? true else { return false }
            left -= 1
            return left == 0
        }
    }
    var cut: Cut?
    var fault: DiskFault?
    var lie: DiskLie?
    var tally = DiskTally()
    var trace: [DiskCall]?
    private var lastHandle = 0
    /// Files opened by plain calls while SQLite had them open: closing them would have dropped SQLite's locks.
    var plainOpens: [String] = []
    /// Nanoseconds: one more with every change, so that each leaves another time.
    private var clock: Int64 = 1_800_000_000_000_000_000

    init(random: SeededGenerator, bytes: Int64) {
        self.random = random
        self.bytes = bytes
    }

    // MARK: Life and death

    func restart(_ restart: SimulatedDisk.Restart) {
        let former = files.values
        defer { for file in former { file.forget() } }
        if isOff || restart == .powerCut {
            if !isOff { turnOff() }
            var cut = PowerCut(&random)
            for inode in files.keys.sorted() {
                guard let file = files[inode] else { continue }
                files[inode] = file.afterPowerCut(cut.survivor(of: file))
            }
            for inode in folders.keys.sorted() {
                guard let folder = folders[inode] else { continue }
                let names = cut.survivor(of: folder)
                folders[inode] = DiskFolder(names: names, durable: names)
            }
        } else {
            tally.kills += 1
            for (inode, file) in files { files[inode] = file.afterKill() }
        }
        forgetNameless()
        fileLocks = [:]
        life += 1
        isOff = false
        cut = nil
    }

    /// Nobody asks for what is on it any more.
    func discard() {
        life += 1
        for file in files.values { file.forget() }
        files = [:]
    }

    func turnOff() {
        isOff = true
        cut = nil
        tally.powerCuts += 1
        tally.writesAtRisk += files.values.reduce(0) { $0 + $1.pending.count }
    }

    /// Files that no folder has a name of, now or after a cut.
    private func forgetNameless() {
        var named: Set<UInt64> = [DiskState.root]
        for folder in folders.values {
            named.formUnion(folder.names.values)
            named.formUnion(folder.durable.values)
            for change in folder.pending { named.formUnion(change.values.compactMap { $0 }) }
        }
        files = files.filter { named.contains($0.key) }
        folders = folders.filter { named.contains($0.key) }
    }

    /// What the n-th call meets.
    enum Verdict: Equatable {
        case pass
        /// The power goes: the effect, if any, is not synced, and the call fails.
        case cut
        case fault(DiskFault.Kind)
    }

    /// Counts a call and says what becomes of it.
    ///
    /// - Throws: `EIO` to the dead.
    func begin(
        _ kind: DiskCall.Kind, _ path: String, handle: Int = 0, life: Int, isGrowing: Bool = false, offset: Int = 0,
        bytes: Int = 0
    ) throws(FileError) -> Verdict {
        guard life == self.life, !isOff else { throw FileError(EIO) }
        calls += 1
        tally.calls += 1
        trace?.append(
            DiskCall(
                kind: kind, path: path, handle: handle, thread: UInt64(pthread_self()), number: calls, offset: offset,
                bytes: bytes))
        if cut?.meets(kind) == true {
            turnOff()
            return .cut
        }
        if fault?.meets(kind, path, isGrowing: isGrowing) == true, let kind = fault?.kind {
            tally.faults[kind, default: 0] += 1
            return .fault(kind)
        }
        return .pass
    }

    /// For calls that do their thing or fail: a cut lets the effect happen, unsynced.
    func perform(
        _ kind: DiskCall.Kind, _ path: String, life: Int, isGrowing: Bool = false,
        _ effect: () throws(FileError) -> Void
    ) throws(FileError) {
        switch try begin(kind, path, life: life, isGrowing: isGrowing) {
        case .pass: try effect()
        case .cut:
            try effect()
            throw FileError(EIO)
        case .fault(let fault): throw FileError(fault == .full ? ENOSPC : EIO)
        }
    }

    /// A plain call opens the file for its time, and closes it.
    func openPlainly(_ path: String) {
        if let file = file(path), file.databaseHandles > 0 { plainOpens.append(path) }
    }

    func newHandle() -> Int {
        lastHandle += 1
        return lastHandle
    }

    /// The time of a change.
    func tick() -> Int64 {
        clock += 1
        return clock
    }

    // MARK: Space

    /// Of files that have a name: one that was removed gives its room back at once, synced or not.
    var usedBytes: Int64 {
        let all = files.values.reduce(0) { $0 + Int64(($1.bytes + 4095) / 4096 * 4096) }
        // The walk over names only where it can matter.
        if all < bytes - 32 << 20 { return all }
        var named: Set<UInt64> = []
        for folder in folders.values { named.formUnion(folder.names.values) }
        return named.reduce(0) { $0 + Int64(((files[$1]?.bytes ?? 0) + 4095) / 4096 * 4096) }
    }

    func checkRoom(for file: DiskFile, growingTo bytes: Int) throws(FileError) {
        guard bytes > file.bytes else { return }
        guard usedBytes + Int64(bytes - file.bytes) <= self.bytes else { throw FileError(ENOSPC) }
    }

    // MARK: Writing

    /// Writes as far as the disk lets it.
    func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int, of file: DiskFile, _ path: String, handle: Int, life: Int
    ) throws(FileError) {
        let end = offset + bytes.count
        switch try begin(
            .write, path, handle: handle, life: life, isGrowing: end > file.bytes, offset: offset, bytes: bytes.count)
        {
        case .pass:
            try checkRoom(for: file, growingTo: end)
            file.write(bytes, at: offset)
        case .cut:
            file.write(bytes, at: offset)
            throw FileError(EIO)
        case .fault(.shortWrite):
            file.write(UnsafeRawBufferPointer(rebasing: bytes[..<random.below(bytes.count)]), at: offset)
            throw FileError(ENOSPC)
        case .fault(let fault): throw FileError(fault == .full ? ENOSPC : EIO)
        }
        file.modifiedAt = tick()
    }

    func truncate(_ file: DiskFile, to bytes: Int, _ path: String, handle: Int, life: Int) throws(FileError) {
        switch try begin(.truncate, path, handle: handle, life: life, isGrowing: bytes > file.bytes, offset: bytes) {
        case .pass: file.truncate(bytes)
        case .cut:
            file.truncate(bytes)
            throw FileError(EIO)
        case .fault(let fault): throw FileError(fault == .full ? ENOSPC : EIO)
        }
        file.modifiedAt = tick()
    }

    func sync(_ file: DiskFile, _ path: String, handle: Int, life: Int) throws(FileError) {
        switch try begin(.sync, path, handle: handle, life: life) {
        case .pass: if lie != .syncs { file.sync() }
        case .cut, .fault(.syncKeepsPages): throw FileError(EIO)
        case .fault:
            var cut = PowerCut(&random)
            file.dropPending(reached: cut.survivor(of: file))
            throw FileError(EIO)
        }
    }

    func syncFolder(_ path: String, handle: Int = 0, life: Int) throws(FileError) {
        switch try begin(.syncFolder, path, handle: handle, life: life) {
        case .pass:
            let folder = try folder(path)
            if lie != .syncs { folder.sync() }
        case .cut, .fault: throw FileError(EIO)
        }
    }

    // MARK: Names

    /// The names in a path. A store asks for the same few paths again and again.
    private func parts(_ path: String) -> [String] {
        if let known = knownParts[path] { return known }
        let parts = path.split(separator: "/").map { String($0) }
        knownParts[path] = parts
        return parts
    }

    func folder(_ path: String) throws(FileError) -> DiskFolder { try folder(parts(path)[...]) }

    private func folder(_ parts: ArraySlice<String>) throws(FileError) -> DiskFolder {
        var inode = DiskState.root
        for part in parts {
            guard let folder = folders[inode] else { throw FileError(ENOTDIR) }
            guard let next = folder.names[part] else { throw FileError(ENOENT) }
            inode = next
        }
        guard let folder = folders[inode] else { throw FileError(ENOTDIR) }
        return folder
    }

    /// The folder that has the name, and the name.
    func place(_ path: String) throws(FileError) -> (folder: DiskFolder, name: String) {
        let parts = parts(path)
        guard let name = parts.last else { throw FileError(EINVAL) }
        return (try folder(parts.dropLast()), name)
    }

    func inode(_ path: String) -> UInt64? {
        do throws(FileError) {
            if parts(path).isEmpty { return DiskState.root }
            let (folder, name) = try place(path)
            return folder.names[name]
        } catch {
            return nil
        }
    }

    func file(_ path: String) -> DiskFile? { inode(path).flatMap { files[$0] } }
    func isFolder(_ path: String) -> Bool { inode(path).map { folders[$0] != nil } ?? false }

    /// A new empty file under a name that is free.
    func makeFile(_ path: String) throws(FileError) -> DiskFile {
        let (folder, name) = try place(path)
        let file = DiskFile(inode: nextInode)
        nextInode += 1
        file.modifiedAt = tick()
        files[file.inode] = file
        folder.change([name: file.inode])
        return file
    }

    func fileToWrite(_ path: String) throws(FileError) -> DiskFile {
        if let file = file(path) { return file }
        return try makeFile(path)
    }

    func makeFolder(_ path: String) throws(FileError) {
        let (parent, name) = try place(path)
        guard parent.names[name] == nil else { throw FileError(EEXIST) }
        folders[nextInode] = DiskFolder()
        parent.change([name: nextInode])
        nextInode += 1
    }

    func put(_ bytes: [UInt8], at path: String) {
        var parent = ""
        for part in parts(path).dropLast() {
            parent += "/" + part
            do throws(FileError) { if !isFolder(parent) { try makeFolder(parent) } } catch {}
        }
        do throws(FileError) {
            let file = try fileToWrite(path)
            file.truncate(0)
            bytes.withUnsafeBytes { file.write($0, at: 0) }
            file.sync()
        } catch {
            preconditionFailure("\(path) cannot be put there: \(error)")
        }
        for folder in folders.values { folder.sync() }
    }

    func paths() -> [String] {
        func below(_ inode: UInt64, _ path: String) -> [String] {
            (folders[inode]?.names ?? [:]).flatMap { name, child in
                ["\(path)/\(name)"] + below(child, "\(path)/\(name)")
            }
        }
        return below(DiskState.root, "").sorted()
    }
}
