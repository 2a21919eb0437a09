import Glibc

/// Lines that were typed, kept in a file that only their user can read.
struct SqlHistory {
    static let maximumLines = 1000
    private static let maximumBytes = 1 << 20
    /// nil: there is nowhere to keep it.
    private let path: String?

    /// `$XDG_STATE_HOME/holdfast/sql_history`, by default in `~/.local/state`.
    /// <https://specifications.freedesktop.org/basedir-spec/latest/>
    init() {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
        }
        let state = variable("XDG_STATE_HOME") ?? variable("HOME").map { "\($0)/.local/state" }
        path = state.map { "\($0)/holdfast/sql_history" }
    }

    func read() -> [String] {
        guard let path, let text = SystemFile.text(path, limit: SqlHistory.maximumBytes) else { return [] }
        return text.split(separator: "\n").suffix(SqlHistory.maximumLines).map(String.init)
    }

    /// Whoever cannot keep it does without: no question is worse for it.
    func write(_ lines: [String]) {
        guard let path else { return }
        SqlHistory.makeFolders(above: path)
        _ = try? SystemFile.replace(path, with: lines.map { $0 + "\n" }.joined(), mode: 0o600)
    }

    private static func makeFolders(above path: String) {
        var folder = ""
        for part in path.split(separator: "/").dropLast() {
            folder += "/\(part)"
            mkdir(folder, 0o700)
        }
    }
}
