import Forwarder

extension SettingsNode {
    /// The entries of a map, in the file's order; empty for anything else.
    var entries: [(key: String, line: Int, value: SettingsNode)] {
        if case .map(let entries) = value { return entries }
        return []
    }

    func child(_ key: String) -> SettingsNode? { entries.first { $0.key == key }?.value }

    /// Every value with its path, without lines: two sections that mean the same are equal. A secret counts with what
    /// it holds now, as a hash, so that a reload notices a rotated one.
    func fingerprint(readSecret: (String) throws -> String) -> [String] {
        var lines: [String] = []
        flatten("", readSecret, into: &lines)
        return lines
    }

    private func flatten(_ path: String, _ readSecret: (String) throws -> String, into lines: inout [String]) {
        switch value {
        case .scalar(let text):
            var line = "\(path)=\(text)"
            if text.hasPrefix("file:") || text.hasPrefix("env:"), let secret = try? readSecret(text) {
                var hasher = Hasher()
                hasher.combine(secret)
                line += "#\(hasher.finalize())"
            }
            lines.append(line)
        case .list(let items):
            for (index, item) in items.enumerated() { item.flatten("\(path)[\(index)]", readSecret, into: &lines) }
        case .map(let entries):
            for entry in entries.sorted(by: { $0.key < $1.key }) {
                entry.value.flatten("\(path).\(entry.key)", readSecret, into: &lines)
            }
        }
    }
}
