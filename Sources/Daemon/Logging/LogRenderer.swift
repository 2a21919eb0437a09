import Metrics
import WALStore

/// Turns an event into one line: JSON for machines, or a form for people at a terminal.
enum LogRenderer {
    /// `{"time":"2026-11-24T02:31:07.123Z","level":"info","message":"...","tenant":"acme"}`
    static func json(_ event: Event, at wall: Int64, into bytes: inout [UInt8]) {
        var members = [
            JSONValue.Member("time", .string(Timestamp.text(wall))),
            JSONValue.Member("level", .string(name(event.level))),
            JSONValue.Member("message", .string(event.message)),
        ]
        for (key, value) in event.metadata.sorted(by: { $0.key < $1.key }) {
            members.append(JSONValue.Member(key, .string(value)))
        }
        JSONValue.object(members).write(into: &bytes)
        bytes.append(UInt8(ascii: "\n"))
    }

    /// `02:31:07 warning  a lane is held  backend=central tenant=acme`
    static func text(_ event: Event, at wall: Int64, colours: Bool, into bytes: inout [UInt8]) {
        var line = String(Timestamp.text(wall).dropFirst(11).prefix(8)) + " "
        let level = name(event.level)
        line += colours ? colour(event.level) + level + "\u{1B}[0m" : level
        line += String(repeating: " ", count: 8 - level.utf8.count) + event.message
        for (key, value) in event.metadata.sorted(by: { $0.key < $1.key }) {
            line += "  \(key)=\(isPlain(value) ? value : JSONValue.string(value).rendered)"
        }
        bytes.append(contentsOf: line.utf8)
        bytes.append(UInt8(ascii: "\n"))
    }

    static func name(_ level: Event.Level) -> String {
        switch level {
        case .debug: "debug"
        case .info: "info"
        case .warning: "warning"
        case .error: "error"
        }
    }

    /// Values come from outside: what could move a terminal's cursor is quoted.
    private static func isPlain(_ value: String) -> Bool {
        !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "\"") && $0 < 0x80 }
    }

    private static func colour(_ level: Event.Level) -> String {
        switch level {
        case .debug: "\u{1B}[2m"
        case .info: "\u{1B}[32m"
        case .warning: "\u{1B}[33m"
        case .error: "\u{1B}[31m"
        }
    }
}
