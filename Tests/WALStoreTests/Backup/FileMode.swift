#if canImport(Glibc)
    import Glibc
#endif

/// Who may do what with a file.
enum FileMode {
    static func of(_ path: String) throws -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { throw FileModeError(path: path) }
        return Int(status.st_mode & 0o777)
    }
    struct FileModeError: Error { var path: String }
}
