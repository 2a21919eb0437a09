import Glibc
import WALStore

/// A file that has the key of a node's chains.
enum ChainKeyFile {
    struct Failure: Error, CustomStringConvertible { var description: String }

    static func read(_ path: String) throws(Failure) -> ChainKey {
        let text: String
        do throws(FileError) {
            text = String(decoding: try SystemFile.read(path, limit: ChainKey.maximumBytes), as: UTF8.self)
        } catch { throw Failure(description: "\(error)") }
        do throws(SpoolError) { return try ChainKey(fileText: text) } catch {
            throw Failure(description: "\(path): \(error.message)")
        }
    }

    /// Makes the file, durably; one that is there is left alone.
    static func make(_ path: String, _ key: ChainKey) throws(Failure) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Failure(description: "\(FileError(path: path, code: errno))") }
        defer { close(file) }
        var text = key.fileText
        let count = text.utf8.count
        let isWritten = text.withUTF8 { Glibc.write(file, $0.baseAddress, $0.count) } == count
        guard isWritten, fsync(file) == 0 else {
            let failure = FileError(path: path, code: errno)
            unlink(path)
            throw Failure(description: "\(failure)")
        }
        let folder = open(folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        defer { close(folder) }
        fsync(folder)
    }

    private static func folder(of path: String) -> String {
        let whole = PlainPath.of(path)
        return String(whole[..<(whole.lastIndex(of: "/") ?? whole.startIndex)]) + "/"
    }

    /// Who else than its owner may read or write it; nil when nobody may, or it is not there.
    static func openTo(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & 0o077 != 0 else { return nil }
        return status.st_mode & 0o007 != 0 ? "everybody" : "its group"
    }
}
