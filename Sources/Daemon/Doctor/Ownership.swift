import Glibc

/// Whose the files of a data folder are.
enum Ownership {
    struct Stranger: Sendable, Equatable {
        var path: String
        /// User id.
        var owner: UInt32
    }

    /// Of the folder, not of a link to it.
    static func ofFolder(_ path: String) -> UInt32? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_uid : nil
    }

    static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    private static func owner(of path: String) -> UInt32? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_uid : nil
    }

    /// What in the folder belongs to somebody else, in the order of names: the node's own files and folders, each tenant's
    /// folder and what lies in it. A folder of somebody else is named, and not looked into.
    static func strangers(in path: String, owner: UInt32) -> [Stranger] {
        var found: [Stranger] = []
        func look(_ folder: String, levels: Int) {
            for name in names(folder) {
                let child = "\(folder)/\(name)"
                guard let other = Self.owner(of: child) else { continue }
                if other != owner {
                    found.append(Stranger(path: child, owner: other))
                } else if levels > 1 {
                    look(child, levels: levels - 1)
                }
            }
        }
        look(path, levels: 3)
        return found
    }

    private static func names(_ path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
