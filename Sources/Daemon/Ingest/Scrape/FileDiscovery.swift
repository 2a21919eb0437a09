// Its headers define `timespec` too, and whose it is depends on what the compiler met first.
import CHTTPServer
import Metrics

#if canImport(Glibc)
    import Glibc
#endif

/// Targets from Prometheus' `file_sd` files: `[{"targets": ["host:port"], "labels": {"name": "value"}}]`.
/// <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config>
///
/// A file is read again when its time, size or inode changes. One that cannot be read keeps the targets it had: a file
/// that is just being replaced must not stop every scrape.
struct FileDiscovery {
    struct Group: Sendable, Hashable {
        var targets: [String]
        var labels: [ScrapeJob.Label]
    }
    private struct Stamp: Equatable {
        var seconds: Int
        var nanoseconds: Int
        var size: Int
        var inode: UInt
    }
    static let maximumFileBytes = 16 << 20

    let path: String
    private(set) var groups: [Group] = []
    /// Why the file could not be read the last time.
    private(set) var fault: String?
    private var stamp: Stamp?

    init(path: String) { self.path = path }

    /// - Returns: whether the targets, or the fault, are others than before.
    mutating func refresh() -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else {
            // Read again when it is back, even as it was.
            stamp = nil
            return change(fault: "\(path): \(String(cString: strerror(errno)))")
        }
        let seen = Stamp(
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec, size: Int(status.st_size),
            inode: UInt(status.st_ino))
        if seen == stamp { return false }
        stamp = seen
        do {
            let bytes = try SystemFile.read(path, limit: FileDiscovery.maximumFileBytes)
            let read = try FileDiscovery.groups(Metrics.JSONValue.parse(bytes))
            let changed = read != groups || fault != nil
            (groups, fault) = (read, nil)
            return changed
        } catch {
            return change(fault: "\(path): \(error)")
        }
    }

    private mutating func change(fault text: String) -> Bool {
        defer { fault = text }
        return fault != text
    }

    struct FormatError: Error, CustomStringConvertible { var description: String }

    private static func groups(_ document: Metrics.JSONValue) throws(FormatError) -> [Group] {
        guard case .array(let entries) = document else {
            throw FormatError(description: "the file must hold a list of target groups")
        }
        var groups: [Group] = []
        for entry in entries {
            guard case .object(let members) = entry else {
                throw FormatError(description: "a target group must be an object")
            }
            var group = Group(targets: [], labels: [])
            for member in members {
                switch (member.key, member.value) {
                case ("targets", .array(let items)):
                    for item in items {
                        guard case .string(let text) = item, !text.isEmpty else {
                            throw FormatError(description: "a target must be a text such as \"host:9100\"")
                        }
                        group.targets.append(text)
                    }
                case ("labels", .object(let pairs)):
                    for pair in pairs {
                        guard case .string(let value) = pair.value else {
                            throw FormatError(description: "label \(pair.key) must be a text")
                        }
                        group.labels.append(ScrapeJob.Label(name: pair.key, value: value))
                    }
                default: throw FormatError(description: "\"\(member.key)\" is no part of a target group")
                }
            }
            groups.append(group)
        }
        return groups
    }
}
