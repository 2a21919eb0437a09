import Metrics

/// One thing that `doctor` looked at: what it is like, and what to do when that is not good.
struct Finding: Sendable, Equatable {
    enum Level: String, Sendable, Comparable {
        case ok, note, warning, error
        private var rank: Int {
            switch self {
            case .ok: 0
            case .note: 1
            case .warning: 2
            case .error: 3
            }
        }
        static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }
    }
    /// A short stable name: `file_system`, `fsync`.
    var name: String
    var level: Level
    var message: String
    /// Empty when there is nothing to do.
    var advice: String

    init(_ name: String, _ level: Level, _ message: String, advice: String = "") {
        self.name = name
        self.level = level
        self.message = message
        self.advice = advice
    }

    var json: JSONValue {
        .map([
            "name": .string(name), "level": .string(level.rawValue), "message": .string(message),
            "advice": advice.isEmpty ? nil : .string(advice),
        ])
    }

    var text: String {
        let mark = level.rawValue + String(repeating: " ", count: 8 - level.rawValue.utf8.count)
        let lines = message.split(separator: "\n") + advice.split(separator: "\n")
        return "\(mark)\(name): \(lines.joined(separator: "\n          "))\n"
    }
}
