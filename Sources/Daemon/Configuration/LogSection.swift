import Forwarder
import WALStore

/// `log:` how much is said, and in which form.
struct LogSection: Sendable, Hashable {
    enum Form: String, Sendable, CaseIterable {
        /// JSON, unless stderr is a terminal.
        case auto
        case json
        case text
    }
    enum Threshold: String, Sendable, CaseIterable {
        case debug, info, warning, error
        var level: Event.Level {
            switch self {
            case .debug: .debug
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        }
    }
    var level: Threshold
    var format: Form

    init(_ settings: Settings) throws(SettingsError) {
        level = try settings.choice("level", default: Threshold.info)
        format = try settings.choice("format", default: Form.auto)
    }
}
