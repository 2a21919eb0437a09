import Forwarder

/// Why a config is refused: `file:line: message`, which editors can jump to.
struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// nil: no file, but the command line or the built-in defaults.
    var file: String?
    /// 1-based; 0 when the mistake has no line.
    var line: Int
    var message: String

    init(file: String?, _ error: SettingsError) {
        self.init(file: file, line: error.line, error.message)
    }

    init(file: String?, line: Int = 0, _ message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    var description: String {
        guard let file else { return message }
        return line > 0 ? "\(file):\(line): \(message)" : "\(file): \(message)"
    }
}
