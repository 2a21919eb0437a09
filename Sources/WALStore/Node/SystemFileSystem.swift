#if canImport(Glibc)
    import Glibc
#endif

/// The file system of the machine.
struct SystemFileSystem: FileSystem {
    var vfs: String? { nil }

    func makeFolder(_ path: String) throws(FileError) { try check(mkdir(path, 0o700)) }

    func syncFolder(_ path: String) throws(FileError) {
        let folder = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try check(folder)
        defer { close(folder) }
        try check(fsync(folder))
    }

    func names(in path: String) throws(FileError) -> [String] {
        guard let folder = opendir(path) else { throw FileError(errno) }
        defer { closedir(folder) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw FileError(errno) }
        return names
    }

    func status(_ path: String) throws(FileError) -> FileStatus? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw FileError(errno)
        }
        return FileStatus(status, isFolder: isFolder(path, status))
    }

    func target(of path: String) throws(FileError) -> FileStatus {
        var status = stat()
        try check(stat(path, &status))
        return FileStatus(status, isFolder: status.st_mode & S_IFMT == S_IFDIR)
    }

    func identity(of folder: String) throws(FileError) -> FolderIdentity? {
        let found = try target(of: folder)
        return FolderIdentity(device: found.device, inode: found.inode)
    }

    func realPath(_ path: String) throws(FileError) -> String {
        guard let resolved = realpath(path, nil) else { throw FileError(errno) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    func moveAside(_ path: String, to target: String) throws(FileError) -> Bool {
        let folder = Glibc.open(Files.parent(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try check(folder)
        defer { close(folder) }
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return false }
            throw FileError(errno)
        }
        if status.st_mode & S_IFMT == S_IFLNK, stat(path, &status) != 0 {
            // What a link leads to may be there again when its disk is mounted; a link to itself never is.
            guard errno == ELOOP else { throw FileError(errno) }
        }
        guard status.st_mode & S_IFMT != S_IFREG else { return false }
        try check(Glibc.rename(path, target))
        try check(fsync(folder))
        return true
    }

    /// A plain file's descriptor. A pipe in its place must not make us wait for whoever is at its other end.
    private func openFile(_ path: String, _ flags: Int32) throws(FileError) -> (file: Int32, bytes: Int64) {
        let file = Glibc.open(path, flags | O_CLOEXEC | O_NONBLOCK, 0o600)
        try check(file)
        var status = stat()
        let kind = fstat(file, &status) == 0 ? status.st_mode & S_IFMT : 0
        guard kind == S_IFREG else {
            close(file)
            throw FileError(kind == S_IFDIR ? EISDIR : EINVAL)
        }
        return (file, Int64(status.st_size))
    }

    func open(_ path: String) throws(FileError) -> (any OpenedFile)? {
        do throws(FileError) {
            let (file, bytes) = try openFile(path, O_RDONLY)
            return OpenFile(file: file, count: bytes)
        } catch {
            if error.number == ENOENT { return nil }
            throw error
        }
    }

    func note(_ bytes: [UInt8], at path: String) throws(FileError) {
        let (file, _) = try openFile(path, O_WRONLY | O_CREAT)
        defer { close(file) }
        guard pwrite(file, bytes, bytes.count, 0) == bytes.count else { throw FileError(EIO) }
    }

    func restoreAccess(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
            status.st_mode & 0o600 != 0o600
        else { return }
        chmod(path, 0o600)
    }

    private final class OpenFile: OpenedFile {
        private let file: Int32
        let count: Int64

        init(file: Int32, count: Int64) {
            self.file = file
            self.count = count
        }
        deinit { close(file) }

        /// `SEEK_DATA` and `SEEK_HOLE`, which Swift does not see. <https://man7.org/linux/man-pages/man2/lseek.2.html>
        private static let (seekData, seekHole): (Int32, Int32) = (3, 4)

        func data(from offset: Int64) -> Range<Int64>? {
            let start = lseek(file, off_t(offset), OpenFile.seekData)
            if start < 0 { return errno == ENXIO || offset >= count ? nil : offset..<count }
            let end = lseek(file, start, OpenFile.seekHole)
            return Int64(start)..<max(Int64(start) + 1, end < 0 ? count : Int64(end))
        }

        func read(at offset: Int64, into buffer: inout [UInt8], from start: Int) throws(FileError) -> Int {
            var filled = start
            while filled < buffer.count {
                let got = buffer.withUnsafeMutableBytes {
                    pread(
                        file, $0.baseAddress?.advanced(by: filled), $0.count - filled,
                        off_t(offset) + off_t(filled - start))
                }
                if got < 0, errno == EINTR { continue }
                guard got >= 0 else { throw FileError(errno) }
                if got == 0 { break }
                filled += got
            }
            return filled - start
        }
    }

    /// Also by a symbolic link: an operator may have moved the data to another disk.
    private func isFolder(_ path: String, _ status: stat) -> Bool {
        guard status.st_mode & S_IFMT == S_IFLNK else { return status.st_mode & S_IFMT == S_IFDIR }
        var target = stat()
        return stat(path, &target) == 0 && target.st_mode & S_IFMT == S_IFDIR
    }

    func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        let (file, length) = try openFile(path, O_RDONLY)
        defer { close(file) }
        guard length <= Int64(limit) else { throw FileError(EFBIG) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError(errno) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw FileError(EFBIG) }
        }
    }

    func write(_ bytes: [UInt8], to path: String) throws(FileError) {
        let (file, _) = try openFile(path, O_WRONLY | O_CREAT | O_TRUNC)
        defer { close(file) }
        try write(bytes, to: file)
        try check(fdatasync(file))
    }

    private func write(_ bytes: [UInt8], to file: Int32) throws(FileError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(file, buffer.baseAddress?.advanced(by: written), buffer.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileError(count < 0 ? errno : EIO) }
            written += count
        }
    }

    func reserve(_ bytes: Int64, at path: String) throws(FileError) {
        let (file, _) = try openFile(path, O_RDWR | O_CREAT)
        defer { close(file) }
        // Where a file system cannot preallocate, glibc writes a byte to each block.
        let code = posix_fallocate(file, 0, off_t(bytes))
        guard code == 0 else { throw FileError(code) }
        try check(fsync(file))
    }

    func rename(_ path: String, to target: String) throws(FileError) { try check(Glibc.rename(path, target)) }

    func remove(_ path: String) throws(FileError) { try check(unlink(path)) }

    func removeFolder(_ path: String) throws(FileError) { try check(rmdir(path)) }

    func append(_ bytes: [UInt8], to path: String) throws(FileError) {
        let file = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        try check(file)
        defer { close(file) }
        try write(bytes, to: file)
    }

    func sync(_ path: String) throws(FileError) {
        let file = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)
        try check(file)
        defer { close(file) }
        try check(fsync(file))
    }

    func resolved(_ folder: String) -> String? {
        guard let real = realpath(folder, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    /// <https://man7.org/linux/man-pages/man3/statvfs.3.html>
    func space(of path: String) throws(FileError) -> DiskSpace {
        var status = statvfs()
        try check(statvfs(path, &status))
        let unit = Int64(status.f_frsize)
        return DiskSpace(totalBytes: Int64(status.f_blocks) * unit, freeBytes: Int64(status.f_bavail) * unit)
    }

    /// `flock`. It is the file's, not the name's: the file is never unlinked, or two processes could hold two of them.
    func lock(_ path: String, holder: [UInt8]) throws(FileError) -> any FileLock {
        let (file, _) = try openFile(path, O_RDWR | O_CREAT)
        do throws(FileError) {
            try check(flock(file, LOCK_EX | LOCK_NB))
            try check(ftruncate(file, 0))
            do throws(FileError) { try write(holder, to: file) } catch {
                // It holds without the number in it, also on a full disk: the next process only knows less.
                guard error.isDiskFull else { throw error }
            }
        } catch {
            close(file)
            throw error
        }
        return Lock(file: file)
    }

    /// `flock` of the folder's own inode. NFS has it as a lock of bytes, which only a file open for writing can have: there,
    /// and where there is none at all, the lock file has to do. <https://man7.org/linux/man-pages/man2/flock.2.html>
    func lockFolder(_ path: String) throws(FileError) -> (any FileLock)? {
        let folder = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try check(folder)
        guard flock(folder, LOCK_EX | LOCK_NB) != 0 else { return Lock(file: folder) }
        let number = errno
        close(folder)
        guard number == EWOULDBLOCK else { return nil }
        throw FileError(number)
    }

    private final class Lock: FileLock {
        private let file: Int32

        init(file: Int32) { self.file = file }
        deinit { close(file) }
        func unlock() { flock(file, LOCK_UN) }
    }

    private func check(_ result: Int32) throws(FileError) { if result < 0 { throw FileError(errno) } }
}

extension FileStatus {
    fileprivate init(_ status: stat, isFolder: Bool) {
        self.init(
            bytes: Int64(status.st_size),
            modifiedAt: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec),
            inode: UInt64(status.st_ino), isFile: status.st_mode & S_IFMT == S_IFREG, isFolder: isFolder,
            isLink: status.st_mode & S_IFMT == S_IFLNK, takenBytes: Int64(status.st_blocks) * 512)
        device = UInt64(status.st_dev)
    }
}

extension FileError {
    var isDiskFull: Bool { number == ENOSPC || number == EDQUOT }
}
