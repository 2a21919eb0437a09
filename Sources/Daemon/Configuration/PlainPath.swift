import Glibc

/// Paths that are to be compared.
enum PlainPath {
    /// From the root on, without what does not change where a path leads: `//`, `/./`, a slash at its end. Nothing is
    /// looked up: links stay.
    static func of(_ path: String) -> String {
        var whole = path
        if !path.hasPrefix("/"), let folder = getcwd(nil, 0) {
            whole = String(cString: folder) + "/" + path
            free(folder)
        }
        return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }
}
