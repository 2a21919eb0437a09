import Glibc
import WALStore

/// What `doctor` says of the tenants' spools: a line for each that something is to be said about.
extension Doctor {
    /// - Parameters:
    ///   - daemon: the process that has the data folder; nil when none has.
    ///   - mayOpen: SQLite needs to write beside a database that was not closed, if only to read it.
    func spools(daemon: Int?, mayOpen: Bool = true) -> [Finding] {
        let directory = configuration.dataDirectory
        let holders = OpenFiles.holders(under: directory + "/tenants/")
        var findings: [Finding] = []
        var sound = 0
        for tenant in SpoolInspection.tenants(in: directory) {
            let others = (holders[tenant] ?? []).filter { $0 != daemon && $0 != Int(getpid()) }
            for remark in SpoolInspection.look(
                at: tenant, in: directory, isLive: daemon != nil || !mayOpen, openedElsewhere: others)
            {
                if remark.severity == .fine {
                    sound += 1
                } else if !remark.isOfAStranger {
                    findings.append(Finding("spool", remark))
                }
            }
        }
        if sound > 0 { findings.append(Finding("spool", .ok, "\(sound) spools are sound")) }
        if daemon != nil {
            findings.append(Finding("spool", .ok, "the daemon has the spools open; their insides are not looked at"))
        }
        return findings
    }
}

extension Finding {
    init(_ name: String, _ remark: SpoolInspection.Remark) {
        self.init(name, remark.level, remark.message, advice: remark.advice)
    }
}

extension SpoolInspection.Remark {
    fileprivate var level: Finding.Level {
        switch severity {
        case .fine: .ok
        case .note: .note
        case .warning: .warning
        case .error: .error
        }
    }
}

/// Who has files open, as `/proc` tells: of other users' processes only root learns that.
enum OpenFiles {
    /// - Returns: process ids by the first path component below `folder`.
    static func holders(under folder: String) -> [String: [Int]] {
        guard let real = realpath(folder, nil) else { return [:] }
        defer { free(real) }
        let prefix = String(cString: real) + "/"
        var holders: [String: Set<Int>] = [:]
        for process in names("/proc").compactMap({ Int($0) }) {
            for descriptor in names("/proc/\(process)/fd") {
                var target = [CChar](repeating: 0, count: 4096)
                let count = readlink("/proc/\(process)/fd/\(descriptor)", &target, target.count - 1)
                guard count > 0 else { continue }
                let path = String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
                guard path.hasPrefix(prefix), path.contains("/spool.db") else { continue }
                let tenant = path.dropFirst(prefix.count).prefix { $0 != "/" }
                holders[String(tenant), default: []].insert(process)
            }
        }
        return holders.mapValues { $0.sorted() }
    }

    private static func names(_ path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}
