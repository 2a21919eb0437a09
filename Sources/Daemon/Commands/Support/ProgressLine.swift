import Glibc
import Metrics

/// How far something is, on stderr: a line that is drawn over on a terminal; else a line now and then.
struct ProgressLine {
    private let isTerminal: Bool
    private let isQuiet: Bool
    private var lastWidth = 0
    private var saidAt: Double?

    /// Lines of a log are so far apart.
    private static let seconds = 10.0
    private static let barWidth = 30

    init(isQuiet: Bool) {
        self.isQuiet = isQuiet
        isTerminal = isatty(STDERR_FILENO) == 1
    }

    /// - Parameter progress: as `GET /v1/backup` answers it.
    mutating func show(_ progress: JSONValue) {
        show(
            ProgressLine.text(progress, withBar: isTerminal), progress["elapsed_seconds"]?.double ?? 0)
    }

    /// - Parameter elapsed: seconds since it began.
    mutating func show(_ text: String, _ elapsed: Double) {
        guard !isQuiet else { return }
        if isTerminal {
            Terminal.printError("\r" + text + String(repeating: " ", count: max(0, lastWidth - text.count)))
            lastWidth = text.count
            return
        }
        guard elapsed - (saidAt ?? 0) >= ProgressLine.seconds else { return }
        saidAt = elapsed
        Terminal.printError(text + "\n")
    }

    /// Takes the line away.
    mutating func end() {
        guard isTerminal, lastWidth > 0 else { return }
        Terminal.printError("\r" + String(repeating: " ", count: lastWidth) + "\r")
        lastWidth = 0
    }

    static func text(_ progress: JSONValue, withBar: Bool) -> String {
        let (copied, all) = (progress["copied_bytes"]?.int ?? 0, progress["bytes"]?.int ?? 0)
        let share = all > 0 ? min(1, Double(copied) / Double(all)) : 0
        var text = "\(Int(share * 100)) %  \(Amount.bytes(copied)) of \(Amount.bytes(all))"
        if withBar {
            let full = Int(share * Double(barWidth))
            let bar = String(repeating: "#", count: full) + String(repeating: ".", count: barWidth - full)
            text = "[\(bar)]  \(text)"
        }
        if let elapsed = progress["elapsed_seconds"]?.double, elapsed > 0 {
            text += "  \(Amount.bytes(Int64(Double(copied) / elapsed)))/s"
        }
        if let left = progress["seconds_left"]?.double { text += "  about \(Amount.duration(seconds: left)) left" }
        if let tenant = progress["tenant"]?.string {
            text += "  \(progress["phase"]?.string ?? "") \(tenant)"
        }
        return text
    }
}
