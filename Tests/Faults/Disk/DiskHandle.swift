import CSQLite
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// One file that SQLite has open on a simulated disk.
///
/// `@unchecked Sendable`: a connection has it, and what changes is only touched under the disk's lock.
final class DiskHandle: @unchecked Sendable {
    /// What SQLite allocates for us: its own part first.
    struct Record {
        var base: sqlite3_file
        var handle: UnsafeMutableRawPointer?
    }

    private let vfs: DiskVFS
    private let file: DiskFile
    private let path: String
    private let number: Int
    private var isPowersafe: Bool
    /// SQLite syncs the folder of a new log with the log's first sync.
    private var needsFolderSync: Bool
    private var memory: SharedMemory?

    private var disk: SimulatedDisk { vfs.disk }
    private var life: Int { vfs.life }

    init(vfs: DiskVFS, file: DiskFile, path: String, number: Int, isPowersafe: Bool, needsFolderSync: Bool) {
        self.vfs = vfs
        self.file = file
        self.path = path
        self.number = number
        self.isPowersafe = isPowersafe
        self.needsFolderSync = needsFolderSync
    }

    /// Fills SQLite's structure; it keeps the handle until it closes it.
    func attach(to target: UnsafeMutablePointer<sqlite3_file>) {
        disk.locked { _ in file.databaseHandles += 1 }
        UnsafeMutableRawPointer(target).initializeMemory(
            as: Record.self,
            to: Record(
                base: sqlite3_file(pMethods: DiskHandle.methods), handle: Unmanaged.passRetained(self).toOpaque()))
    }

    private static func of(_ file: UnsafeMutablePointer<sqlite3_file>?) -> DiskHandle {
        guard let file, let handle = UnsafeMutableRawPointer(file).assumingMemoryBound(to: Record.self).pointee.handle
        else { preconditionFailure("SQLite uses files that are open") }
        return Unmanaged<DiskHandle>.fromOpaque(handle).takeUnretainedValue()
    }

    nonisolated(unsafe) private static let methods: UnsafePointer<sqlite3_io_methods> = {
        var methods = sqlite3_io_methods()
        methods.iVersion = 2
        methods.xClose = { file in
            let handle = DiskHandle.of(file)
            handle.close()
            file?.pointee.pMethods = nil
            Unmanaged.passUnretained(handle).release()
            return SQLITE_OK
        }
        methods.xRead = { file, target, count, offset in DiskHandle.of(file).read(target, Int(count), Int(offset)) }
        methods.xWrite = { file, source, count, offset in DiskHandle.of(file).write(source, Int(count), Int(offset)) }
        methods.xTruncate = { file, size in DiskHandle.of(file).truncate(Int(size)) }
        methods.xSync = { file, _ in DiskHandle.of(file).sync() }
        methods.xFileSize = { file, size in DiskHandle.of(file).size(size) }
        methods.xLock = { file, level in DiskHandle.of(file).lock(level) }
        methods.xUnlock = { file, level in DiskHandle.of(file).unlock(level) }
        methods.xCheckReservedLock = { file, result in DiskHandle.of(file).checkReserved(result) }
        methods.xFileControl = { file, operation, value in DiskHandle.of(file).control(operation, value) }
        methods.xSectorSize = { _ in 4096 }
        methods.xDeviceCharacteristics = { file in DiskHandle.of(file).characteristics }
        methods.xShmMap = { file, region, bytes, mayExtend, target in
            DiskHandle.of(file).map(Int(region), Int(bytes), mayExtend != 0, target)
        }
        methods.xShmLock = { file, offset, count, flags in
            DiskHandle.of(file).lockMemory(Int(offset)..<Int(offset + count), flags)
        }
        methods.xShmBarrier = { file in DiskHandle.of(file).disk.locked { _ in } }
        methods.xShmUnmap = { file, _ in DiskHandle.of(file).unmap() }
        let pointer = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        pointer.initialize(to: methods)
        return UnsafePointer(pointer)
    }()

    private var id: ObjectIdentifier { ObjectIdentifier(self) }

    // MARK: Bytes

    private func read(_ target: UnsafeMutableRawPointer?, _ count: Int, _ offset: Int) -> Int32 {
        guard let target else { return SQLITE_MISUSE }
        return disk.locked { state in
            var found = max(0, min(count, file.content.count - offset))
            do throws(FileError) {
                switch try state.begin(.read, path, handle: number, life: life) {
                case .pass: break
                case .fault(.shortRead): found /= 2
                case .cut, .fault: throw FileError(EIO)
                }
            } catch {
                return SQLiteCode.corruptFileSystem
            }
            if found > 0 {
                file.content.copy(offset..<offset + found, to: target)
            }
            if found == count { return SQLITE_OK }
            memset(target + found, 0, count - found)
            return SQLiteCode.shortRead
        }
    }

    private func write(_ source: UnsafeRawPointer?, _ count: Int, _ offset: Int) -> Int32 {
        disk.locked { state in
            do throws(FileError) {
                let bytes = UnsafeRawBufferPointer(start: source, count: count)
                try state.write(bytes, at: offset, of: file, path, handle: number, life: life)
                return SQLITE_OK
            } catch {
                return error.number == ENOSPC ? SQLITE_FULL : SQLiteCode.write
            }
        }
    }

    private func truncate(_ bytes: Int) -> Int32 {
        disk.locked { state in
            do throws(FileError) {
                try state.truncate(file, to: bytes, path, handle: number, life: life)
                return SQLITE_OK
            } catch {
                return SQLiteCode.truncate
            }
        }
    }

    private func sync() -> Int32 {
        disk.locked { state in
            do throws(FileError) { try state.sync(file, path, handle: number, life: life) } catch {
                return SQLiteCode.sync
            }
            guard needsFolderSync else { return SQLITE_OK }
            needsFolderSync = false
            // What becomes of it nobody hears: so it is in `unixSync`.
            do throws(FileError) { try state.syncFolder(DiskVFS.parent(path), handle: number, life: life) } catch {}
            return SQLITE_OK
        }
    }

    private func size(_ target: UnsafeMutablePointer<sqlite3_int64>?) -> Int32 {
        target?.pointee = disk.locked { _ in sqlite3_int64(file.content.count) }
        return SQLITE_OK
    }

    private var characteristics: Int32 {
        disk.locked { state in
            isPowersafe || state.lie == .powersafeOverwrite ? SQLITE_IOCAP_POWERSAFE_OVERWRITE : 0
        }
    }

    private func control(_ operation: Int32, _ value: UnsafeMutableRawPointer?) -> Int32 {
        switch operation {
        case SQLITE_FCNTL_POWERSAFE_OVERWRITE:
            guard let value = value?.assumingMemoryBound(to: Int32.self) else { return SQLITE_MISUSE }
            disk.locked { _ in
                if value.pointee < 0 { value.pointee = isPowersafe ? 1 : 0 } else { isPowersafe = value.pointee != 0 }
            }
            return SQLITE_OK
        case SQLITE_FCNTL_HAS_MOVED:
            value?.assumingMemoryBound(to: Int32.self).pointee = disk.locked { state in
                state.inode(path) == file.inode ? 0 : 1
            }
            return SQLITE_OK
        default: return SQLITE_NOTFOUND
        }
    }

    // MARK: Locks

    /// The dead hold nothing: theirs are other files by now.
    private func isDead(_ state: DiskState) -> Bool { life != state.life || state.isOff }

    private func lock(_ level: Int32) -> Int32 {
        disk.locked { state in
            if isDead(state) { return SQLITE_IOERR | (15 << 8) }
            return file.locks.raise(id, to: level) ? SQLITE_OK : SQLITE_BUSY
        }
    }

    private func unlock(_ level: Int32) -> Int32 {
        disk.locked { _ in file.locks.lower(id, to: level) }
        return SQLITE_OK
    }

    private func checkReserved(_ result: UnsafeMutablePointer<Int32>?) -> Int32 {
        result?.pointee = disk.locked { _ in file.locks.isReserved ? 1 : 0 }
        return SQLITE_OK
    }

    // MARK: Shared memory

    private func map(
        _ region: Int, _ bytes: Int, _ mayExtend: Bool, _ target: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32 {
        disk.locked { state in
            if isDead(state) { return SQLITE_IOERR | (21 << 8) }
            let memory = self.memory ?? file.memory ?? SharedMemory()
            if self.memory == nil {
                self.memory = memory
                file.memory = memory
                memory.users += 1
            }
            target?.pointee = nil
            while memory.regions.count <= region {
                guard mayExtend else { return SQLITE_OK }
                do throws(FileError) {
                    try state.perform(.mapMemory, path + "-shm", life: life, isGrowing: true) {}
                } catch {
                    return SQLiteCode.sharedMemorySize
                }
                memory.addRegion(bytes: bytes)
            }
            target?.pointee = memory.regions[region]
            return SQLITE_OK
        }
    }

    private func lockMemory(_ range: Range<Int>, _ flags: Int32) -> Int32 {
        disk.locked { state in
            if isDead(state) { return SQLITE_IOERR | (20 << 8) }
            guard let memory else { return SQLITE_IOERR | (20 << 8) }
            if flags & SQLITE_SHM_UNLOCK != 0 {
                memory.unlock(range, id)
                return SQLITE_OK
            }
            let isDone =
                flags & SQLITE_SHM_SHARED != 0
                ? memory.lockShared(range, id) : memory.lockExclusive(range, id)
            return isDone ? SQLITE_OK : SQLITE_BUSY
        }
    }

    private func unmap() -> Int32 {
        disk.locked { _ in
            guard let memory else { return }
            memory.unlock(0..<SharedMemory.lockCount, id)
            memory.users -= 1
            if memory.users == 0, file.memory === memory { file.memory = nil }
            self.memory = nil
        }
        return SQLITE_OK
    }

    private func close() {
        disk.locked { _ in file.databaseHandles -= 1 }
        _ = unmap()
        _ = unlock(SQLITE_LOCK_NONE)
    }
}
