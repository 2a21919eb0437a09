#if canImport(Glibc)
    import Glibc
#endif

/// A parsed config value with where it stands. The daemon's YAML reader makes them; backends and sources read them.
public struct SettingsNode: Sendable {
    public indirect enum Value: Sendable {
        case scalar(String)
        case list([SettingsNode])
        case map([(key: String, line: Int, value: SettingsNode)])
    }
    public var value: Value
    /// 1-based.
    public var line: Int
    public init(_ value: Value, line: Int) {
        self.value = value
        self.line = line
    }
}

/// A mistake in the config: what, where, and what was probably meant.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    public var message: String
    public var line: Int
    public init(_ message: String, line: Int) {
        self.message = message
        self.line = line
    }
    public var description: String { "line \(line): \(message)" }
}

/// A secret read from `file:` or `env:`; prints as dots.
public struct Secret: Sendable, Hashable, CustomStringConvertible {
    public let reveal: String
    public init(_ value: String) { reveal = value }
    public var description: String { "•••" }
}

/// One section of the config while it is read. Asking for a key declares it: `finish` refuses what nobody asked for and
/// names the nearest key somebody did.
///
/// Not shared between threads: a section is read by one initialiser.
public final class Settings {
    /// Dotted, for messages: `backends.central`.
    public let path: String
    public let line: Int
    private let entries: [(key: String, line: Int, value: SettingsNode)]
    /// Keys that are known, each once: about a dozen, which are found sooner one by one than they are hashed. None where
    /// nothing can be mistyped.
    private var asked: [String] = []
    private var children: [Settings] = []
    private let readSecret: (String) throws -> String

    /// - Parameter readSecret: turns `file:...` or `env:...` into the secret.
    public init(
        _ node: SettingsNode, path: String, readSecret: @escaping (String) throws -> String = Settings.systemSecret
    ) throws(SettingsError) {
        self.path = path
        self.line = node.line
        self.readSecret = readSecret
        switch node.value {
        case .map(let entries): self.entries = entries
        case .scalar(let text) where text.isEmpty || text == "~" || text == "null": self.entries = []
        default:
            let what = path.isEmpty ? "the config" : path
            throw SettingsError("\(what) must be a map of keys and values", line: node.line)
        }
    }

    /// A section with nothing in it: every default.
    public init(empty path: String) {
        self.path = path
        self.line = 0
        self.entries = []
        self.readSecret = Settings.systemSecret
    }

    // MARK: Reading

    /// The key as a message names it: `backends.central.url`, and `data_dir` at the top.
    public func name(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    public func has(_ key: String) -> Bool { entry(key) != nil }
    public func line(of key: String) -> Int { entry(key)?.line ?? line }

    public func string(_ key: String) throws(SettingsError) -> String? {
        guard let entry = entry(key) else { return nil }
        guard case .scalar(let text) = entry.value.value else {
            throw SettingsError("\(name(of: key)) must be one value, not a list or a map", line: entry.line)
        }
        return text
    }

    public func required(_ key: String) throws(SettingsError) -> String {
        guard let text = try string(key), !text.isEmpty else {
            // Mistyped rather than left out, when a key that nobody has asked for yet is near.
            if !has(key), let typed = Settings.nearest(to: key, in: entries.map(\.key).filter { !asked.contains($0) }) {
                throw SettingsError(
                    "\(name(of: typed)) is not a known key; did you mean \"\(key)\"?", line: line(of: typed))
            }
            throw SettingsError("\(name(of: key)) is missing", line: line)
        }
        return text
    }

    public func int(_ key: String, default fallback: Int, in range: ClosedRange<Int>) throws(SettingsError) -> Int {
        guard let text = try string(key) else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            throw SettingsError(
                "\(name(of: key)): \"\(text)\" is not a whole number from \(range.lowerBound) to \(range.upperBound)",
                line: line(of: key))
        }
        return value
    }

    public func bool(_ key: String, default fallback: Bool) throws(SettingsError) -> Bool {
        guard let text = try string(key) else { return fallback }
        switch text {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default: throw SettingsError("\(name(of: key)): \"\(text)\" is not true or false", line: line(of: key))
        }
    }

    /// `30s`, `5m`, `24h`, `7d`, `250ms`; a bare 0 is allowed.
    public func duration(_ key: String) throws(SettingsError) -> Duration? {
        guard let text = try string(key) else { return nil }
        guard let value = Settings.parseDuration(text) else {
            throw SettingsError(
                "\(name(of: key)): \"\(text)\" is not a duration such as 30s, 5m or 24h", line: line(of: key))
        }
        return value
    }

    /// `512MiB`, `50GiB`, `10MB`, or bytes.
    public func size(_ key: String) throws(SettingsError) -> Int? {
        guard let text = try string(key) else { return nil }
        guard let value = Settings.parseSize(text) else {
            throw SettingsError(
                "\(name(of: key)): \"\(text)\" is not a size such as 512MiB or 50GiB", line: line(of: key))
        }
        return value
    }

    public func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, default fallback: Choice
    ) throws(SettingsError) -> Choice where Choice.RawValue == String {
        guard let text = try string(key) else { return fallback }
        guard let value = Choice(rawValue: text) else {
            let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw SettingsError("\(name(of: key)): \"\(text)\" is none of \(all)", line: line(of: key))
        }
        return value
    }

    /// A list of values; one value alone is a list of one.
    public func strings(_ key: String) throws(SettingsError) -> [String] {
        guard let entry = entry(key) else { return [] }
        switch entry.value.value {
        case .scalar(let text): return text.isEmpty ? [] : [text]
        case .list(let nodes):
            var all: [String] = []
            for node in nodes {
                guard case .scalar(let text) = node.value else {
                    throw SettingsError("\(name(of: key)) must be a list of plain values", line: node.line)
                }
                all.append(text)
            }
            return all
        case .map: throw SettingsError("\(name(of: key)) must be a list", line: entry.line)
        }
    }

    /// A map of plain values, in the file's order: headers, labels.
    public func pairs(_ key: String) throws(SettingsError) -> [(String, String)] {
        guard let entry = entry(key) else { return [] }
        guard case .map(let entries) = entry.value.value else {
            throw SettingsError("\(name(of: key)) must be a map of plain values", line: entry.line)
        }
        var all: [(String, String)] = []
        for (label, line, node) in entries {
            guard case .scalar(let text) = node.value else {
                throw SettingsError("\(name(of: key)).\(label) must be one value", line: line)
            }
            all.append((label, text))
        }
        return all
    }

    /// A secret, which the config only names: `file:/etc/holdfast/token` or `env:TOKEN`. Inline ones are refused.
    public func secret(_ key: String) throws(SettingsError) -> Secret? {
        guard let text = try string(key) else { return nil }
        return try secret(key, text)
    }

    /// A list of secrets, each `file:` or `env:`. An empty one is refused: it would let everybody in.
    public func secrets(_ key: String) throws(SettingsError) -> [Secret] {
        var all: [Secret] = []
        for text in try strings(key) {
            let secret = try secret(key, text)
            guard !secret.reveal.isEmpty else {
                throw SettingsError("\(name(of: key)): \(text) is empty", line: line(of: key))
            }
            all.append(secret)
        }
        return all
    }

    /// A map of secrets, each `file:` or `env:`, in the file's order.
    public func secretPairs(_ key: String) throws(SettingsError) -> [(String, Secret)] {
        var all: [(String, Secret)] = []
        for (name, text) in try pairs(key) { all.append((name, try secret("\(key).\(name)", text))) }
        return all
    }

    private func secret(_ key: String, _ text: String) throws(SettingsError) -> Secret {
        guard text.hasPrefix("file:") || text.hasPrefix("env:") else {
            throw SettingsError(
                "\(name(of: key)) must be file:PATH or env:NAME; a secret does not stand in the config",
                line: line(of: key))
        }
        do {
            return Secret(try readSecret(text))
        } catch {
            throw SettingsError("\(name(of: key)): \(text) cannot be read: \(error)", line: line(of: key))
        }
    }

    /// A nested section, or nil. It is finished with its parent.
    public func section(_ key: String) throws(SettingsError) -> Settings? {
        guard let entry = entry(key) else { return nil }
        return try child(entry.value, "\(name(of: key))")
    }

    /// A map of named sections (`backends:`), in the file's order.
    public func namedSections(_ key: String) throws(SettingsError) -> [(name: String, settings: Settings)] {
        guard let entry = entry(key) else { return [] }
        guard case .map(let entries) = entry.value.value else {
            throw SettingsError("\(name(of: key)) must be a map", line: entry.line)
        }
        var all: [(name: String, settings: Settings)] = []
        for entry in entries {
            all.append((entry.key, try child(entry.value, "\(name(of: key)).\(entry.key)")))
        }
        return all
    }

    /// A list of sections (`scrape:`), in the file's order.
    public func listedSections(_ key: String) throws(SettingsError) -> [Settings] {
        guard let entry = entry(key) else { return [] }
        guard case .list(let nodes) = entry.value.value else {
            throw SettingsError("\(name(of: key)) must be a list", line: entry.line)
        }
        var all: [Settings] = []
        for (index, node) in nodes.enumerated() { all.append(try child(node, "\(name(of: key))[\(index)]")) }
        return all
    }

    /// Refuses keys that nobody asked for, here and in nested sections.
    public func finish() throws(SettingsError) {
        for entry in entries where !asked.contains(entry.key) {
            var message = "\(name(of: entry.key)) is not a known key"
            if let near = Settings.nearest(to: entry.key, in: asked) { message += "; did you mean \"\(near)\"?" }
            throw SettingsError(message, line: entry.line)
        }
        for child in children { try child.finish() }
    }

    private func child(_ node: SettingsNode, _ path: String) throws(SettingsError) -> Settings {
        let child = try Settings(node, path: path, readSecret: readSecret)
        children.append(child)
        return child
    }

    private func entry(_ key: String) -> (key: String, line: Int, value: SettingsNode)? {
        guard !entries.isEmpty else { return nil }
        if !asked.contains(key) { asked.append(key) }
        return entries.first { $0.key == key }
    }
}

// MARK: - Values

extension Settings {
    public static func parseDuration(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int64(digits), value <= 1_000_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return .milliseconds(value)
        case "s": return .seconds(value)
        case "m": return .seconds(value * 60)
        case "h": return .seconds(value * 3600)
        case "d": return .seconds(value * 86_400)
        default: return nil
        }
    }

    public static func parseSize(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int(digits) else { return nil }
        let factor: Int
        switch text.dropFirst(digits.count) {
        case "", "B": factor = 1
        case "KiB": factor = 1 << 10
        case "MiB": factor = 1 << 20
        case "GiB": factor = 1 << 30
        case "TiB": factor = 1 << 40
        case "kB", "KB": factor = 1000
        case "MB": factor = 1_000_000
        case "GB": factor = 1_000_000_000
        case "TB": factor = 1_000_000_000_000
        default: return nil
        }
        let (bytes, overflow) = value.multipliedReportingOverflow(by: factor)
        return overflow ? nil : bytes
    }

    /// What is behind it is not read.
    private static let maximumSecretBytes = 64 << 10

    struct SecretError: Error, CustomStringConvertible { var description: String }

    public static func systemSecret(_ reference: String) throws -> String {
        if reference.hasPrefix("env:") {
            guard let value = getenv(String(reference.dropFirst(4))) else {
                throw SecretError(description: "the variable is not set")
            }
            return String(cString: value)
        }
        // A pipe must not make us wait for somebody to write: it reads as empty, or fails.
        let file = open(String(reference.dropFirst(5)), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw SecretError(description: String(cString: strerror(errno))) }
        defer { close(file) }
        return try withUnsafeTemporaryAllocation(byteCount: maximumSecretBytes, alignment: 1) { buffer in
            let count = read(file, buffer.baseAddress, buffer.count)
            // A folder opens, and fails here: an unreadable secret must not pass for an empty one.
            guard count >= 0 else { throw SecretError(description: String(cString: strerror(errno))) }
            var text = buffer.prefix(count)
            while let last = text.last, last == 10 || last == 13 { text.removeLast() }
            return String(decoding: text, as: UTF8.self)
        }
    }

    /// The known key closest to a mistyped one, when one is close enough to be meant.
    public static func nearest(to word: String, in known: some Sequence<String>) -> String? {
        let best = known.map { (distance: editDistance(word, $0), word: $0) }.min {
            ($0.distance, $0.word) < ($1.distance, $1.word)
        }
        guard let best, best.distance <= max(2, word.count / 3) else { return nil }
        return best.word
    }

    private static func editDistance(_ left: String, _ right: String) -> Int {
        let a = Array(left.utf8)
        let b = Array(right.utf8)
        var row = Array(0...b.count)
        for i in 0..<a.count {
            var diagonal = row[0]
            row[0] = i + 1
            for j in 0..<b.count {
                let substituted = diagonal + (a[i] == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
            }
        }
        return row[b.count]
    }
}
