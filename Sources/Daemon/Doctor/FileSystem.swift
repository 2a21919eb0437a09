import Glibc

/// What a folder lies on: which decides whether an fsync means anything.
struct FileSystem: Sendable, Equatable {
    enum Support: Sendable, Equatable {
        /// fsync and locks do what SQLite relies on.
        case supported
        case doubtful(String)
        case refused(String)
    }
    /// As `/proc/self/mountinfo` names it: `ext4`.
    var type: String
    var mountPoint: String
    var options: [String]

    /// Whether nothing can be written: mounted so, or made so by the kernel after an error. Kernels from 6.12 on leave `rw`
    /// in place then and add a word of their own.
    var isReadOnly: Bool { options.contains("ro") || isStoppedByError }
    /// ext4 and xfs stop writing when their own structures cannot be trusted any more; remounting does not help.
    var isStoppedByError: Bool { options.contains("emergency_ro") || options.contains("shutdown") }

    var support: Support {
        switch type {
        case "ext4", "xfs", "f2fs":
            options.contains("barrier=0") || options.contains("nobarrier")
                ? .doubtful("it is mounted without write barriers: a power cut can undo what was fsynced") : .supported
        case "btrfs", "zfs", "ext3", "bcachefs": .doubtful("it is not among those tested: ext4, xfs and f2fs")
        case "overlay": .doubtful("overlay file systems belong to containers: data is lost with the container")
        case "tmpfs", "ramfs": .doubtful("it is memory: nothing survives a restart of the machine")
        case "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "afs":
            .refused("network file systems do not keep SQLite's locks and fsync promises")
        case _ where type.hasPrefix("fuse"): .refused("FUSE file systems do not keep SQLite's locks and fsync promises")
        default: .doubtful("it is not among those tested: ext4, xfs and f2fs")
        }
    }

    /// The mount that `path` is on: the longest mount point that is a parent of it. nil where `/proc` does not tell.
    static func of(_ path: String) -> FileSystem? {
        guard let table = SystemFile.text("/proc/self/mountinfo"), let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return parse(table, path: String(cString: real))
    }

    /// Fields as in proc(5): `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
    static func parse(_ table: String, path: String) -> FileSystem? {
        var best: FileSystem?
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ").map(String.init)
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 1 else { continue }
            let point = fields[4]
            let isParent = path == point || path.hasPrefix(point == "/" ? "/" : point + "/")
            // Of mounts on the same point the last one counts.
            guard isParent, point.utf8.count >= best?.mountPoint.utf8.count ?? 0 else { continue }
            let options = fields[5].split(separator: ",") + (fields.last?.split(separator: ",") ?? [])
            best = FileSystem(type: fields[dash + 1], mountPoint: point, options: options.map(String.init))
        }
        return best
    }
}
