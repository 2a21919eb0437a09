import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A simulated disk as one process has it: the store's `FileSystem`, and the name of the VFS for SQLite.
final class Mount: FileSystem {
    let disk: SimulatedDisk
    let life: Int
    private let registration: DiskVFS

    init(disk: SimulatedDisk, life: Int) {
        self.disk = disk
        self.life = life
        registration = DiskVFS(disk: disk, life: life)
    }

    var vfs: String? { registration.name }

    /// Whoever used it opens nothing any more: SQLite looks through all names that are registered.
    func leave() { registration.unregister() }

    private func locked<Result>(_ body: (DiskState) throws(FileError) -> Result) throws(FileError) -> Result {
        try disk.locked(body)
    }

    func makeFolder(_ path: String) throws(FileError) {
        try locked { (state) throws(FileError) in
            try state.perform(.makeFolder, path, life: life, isGrowing: true) { () throws(FileError) in
                try state.makeFolder(path)
            }
        }
    }

    func syncFolder(_ path: String) throws(FileError) {
        try locked { (state) throws(FileError) in try state.syncFolder(path, life: life) }
    }

    func names(in folder: String) throws(FileError) -> [String] {
        try locked { (state) throws(FileError) in
            try state.perform(.list, folder, life: life) {}
            return try state.folder(folder).names.keys.sorted()
        }
    }

    func status(_ path: String) throws(FileError) -> FileStatus? {
        try locked { (state) throws(FileError) in
            try state.perform(.look, path, life: life) {}
            guard let inode = state.inode(path) else { return nil }
            let file = state.file(path)
            return FileStatus(
                bytes: Int64(file?.bytes ?? 4096), modifiedAt: file?.modifiedAt ?? 0, inode: inode,
                isFile: file != nil, isFolder: file == nil)
        }
    }

    func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        try locked { (state) throws(FileError) in
            // After a short read the store's own reading goes on with the rest.
            let verdict = try state.begin(.read, path, life: life)
            state.openPlainly(path)
            guard verdict == .pass || verdict == .fault(.shortRead) else { throw FileError(EIO) }
            guard let file = state.file(path) else { throw FileError(state.isFolder(path) ? EISDIR : ENOENT) }
            guard file.content.count <= limit else { throw FileError(EFBIG) }
            return file.content.array
        }
    }

    func open(_ path: String) throws(FileError) -> (any OpenedFile)? {
        try locked { (state) throws(FileError) in
            try state.perform(.open, path, life: life) {}
            guard let file = state.file(path) else {
                if state.isFolder(path) { throw FileError(EISDIR) }
                return nil
            }
            state.openPlainly(path)
            return Reader(mount: self, file: file, path: path, count: Int64(file.content.count))
        }
    }

    /// `@unchecked Sendable`: `file`, which is no value, is only touched inside `mount.locked`; nothing else changes.
    private final class Reader: OpenedFile, @unchecked Sendable {
        private let mount: Mount
        private let file: DiskFile
        private let path: String
        let count: Int64

        init(mount: Mount, file: DiskFile, path: String, count: Int64) {
            self.mount = mount
            self.file = file
            self.path = path
            self.count = count
        }

        func read(at offset: Int64, into buffer: inout [UInt8], from start: Int) throws(FileError) -> Int {
            let bytes = try mount.locked { (state) throws(FileError) -> [UInt8] in
                // After a short read the store's own reading goes on with the rest.
                let verdict = try state.begin(.read, path, life: mount.life, offset: Int(offset))
                guard verdict == .pass || verdict == .fault(.shortRead) else { throw FileError(EIO) }
                let end = min(file.content.count, Int(offset) + buffer.count - start)
                return Int(offset) < end ? file.content[Int(offset)..<end] : []
            }
            buffer.replaceSubrange(start..<start + bytes.count, with: bytes)
            return bytes.count
        }
    }

    func write(_ bytes: [UInt8], to path: String) throws(FileError) {
        try locked { (state) throws(FileError) in
            state.openPlainly(path)
            try state.perform(.create, path, life: life, isGrowing: true) { () throws(FileError) in
                guard !state.isFolder(path) else { throw FileError(EISDIR) }
                if let file = state.file(path) { file.truncate(0) } else { _ = try state.makeFile(path) }
            }
            guard let file = state.file(path) else { throw FileError(ENOENT) }
            let failure = bytes.withUnsafeBytes { buffer -> FileError? in
                do throws(FileError) {
                    try state.write(buffer, at: 0, of: file, path, handle: 0, life: life)
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
            try state.sync(file, path, handle: 0, life: life)
        }
    }

    func reserve(_ bytes: Int64, at path: String) throws(FileError) {
        try locked { (state) throws(FileError) in
            try state.perform(.reserve, path, life: life, isGrowing: true) { () throws(FileError) in
                let file = try state.fileToWrite(path)
                try state.checkRoom(for: file, growingTo: Int(bytes))
                file.reservedBytes = Int(bytes)
            }
        }
    }

    func note(_ bytes: [UInt8], at path: String) throws(FileError) {
        try locked { (state) throws(FileError) in
            state.openPlainly(path)
            if state.file(path) == nil {
                try state.perform(.create, path, life: life, isGrowing: true) { () throws(FileError) in
                    _ = try state.makeFile(path)
                }
            }
            guard let file = state.file(path) else { throw FileError(ENOENT) }
            let failure = bytes.withUnsafeBytes { buffer -> FileError? in
                do throws(FileError) {
                    try state.write(buffer, at: 0, of: file, path, handle: 0, life: life)
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
        }
    }

    func append(_ bytes: [UInt8], to path: String) throws(FileError) {
        try locked { (state) throws(FileError) in
            if state.file(path) == nil {
                try state.perform(.create, path, life: life, isGrowing: true) { () throws(FileError) in
                    _ = try state.makeFile(path)
                }
            }
            guard let file = state.file(path) else { throw FileError(ENOENT) }
            let failure = bytes.withUnsafeBytes { buffer -> FileError? in
                do throws(FileError) {
                    try state.write(buffer, at: file.content.count, of: file, path, handle: 0, life: life)
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
        }
    }

    func sync(_ path: String) throws(FileError) {
        try locked { (state) throws(FileError) in
            guard let file = state.file(path) else { throw FileError(ENOENT) }
            try state.sync(file, path, handle: 0, life: life)
        }
    }

    func removeFolder(_ path: String) throws(FileError) {
        try locked { (state) throws(FileError) in
            try state.perform(.remove, path, life: life) { () throws(FileError) in
                guard try state.folder(path).names.isEmpty else { throw FileError(ENOTEMPTY) }
                let (folder, name) = try state.place(path)
                folder.change([name: nil])
            }
        }
    }

    func rename(_ path: String, to target: String) throws(FileError) {
        try locked { (state) throws(FileError) in
            try state.perform(.rename, path, life: life) { () throws(FileError) in
                let (source, name) = try state.place(path)
                let (folder, newName) = try state.place(target)
                guard let inode = source.names[name] else { throw FileError(ENOENT) }
                precondition(source === folder, "the store renames within a folder")
                folder.change([name: nil, newName: inode])
            }
        }
    }

    func remove(_ path: String) throws(FileError) {
        try locked { (state) throws(FileError) in
            try state.perform(.remove, path, life: life) { () throws(FileError) in
                let (folder, name) = try state.place(path)
                guard folder.names[name] != nil else { throw FileError(ENOENT) }
                guard !state.isFolder(path) else { throw FileError(EISDIR) }
                folder.change([name: nil])
            }
        }
    }

    func space(of path: String) throws(FileError) -> DiskSpace {
        try locked { (state) throws(FileError) in
            try state.perform(.look, path, life: life) {}
            return DiskSpace(totalBytes: state.bytes, freeBytes: max(0, state.bytes - state.usedBytes))
        }
    }

    func lock(_ path: String, holder: [UInt8]) throws(FileError) -> any FileLock {
        let lock = Lock(mount: self, path: path)
        try locked { (state) throws(FileError) in
            try state.perform(.create, path, life: life, isGrowing: true) { () throws(FileError) in
                let file = try state.fileToWrite(path)
                guard state.fileLocks[file.inode] == nil else { throw FileError(EWOULDBLOCK) }
                state.fileLocks[file.inode] = ObjectIdentifier(lock)
            }
        }
        return lock
    }

    private final class Lock: FileLock {
        private let mount: Mount
        private let path: String

        init(mount: Mount, path: String) {
            self.mount = mount
            self.path = path
        }

        deinit { unlock() }

        func unlock() {
            let (life, holder) = (mount.life, ObjectIdentifier(self))
            mount.disk.locked { state in
                guard life == state.life, let inode = state.inode(path), state.fileLocks[inode] == holder else {
                    return
                }
                state.fileLocks[inode] = nil
            }
        }
    }
}
