#if canImport(Glibc)
    import Glibc
#endif

/// A folder of one test's own, gone with the value.
public final class TemporaryFolder: Sendable {
    public struct FolderError: Error { public var reason: String }
    public let path: String

    public init() throws(FolderError) {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array((base + "/holdfast-test-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw FolderError(reason: String(cString: strerror(errno))) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { TemporaryFolder.remove(path) }

    /// Deletes a file, or a folder with all that is in it.
    public static func remove(_ path: String) {
        var status = stat()
        // Not through symbolic links.
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != "." && name != ".." { remove(path + "/" + name) }
            }
            closedir(folder)
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
