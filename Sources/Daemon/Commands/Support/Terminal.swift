import Glibc
import Metrics

/// Where commands print: data on stdout, words about it on stderr.
enum Terminal {
    static func print(_ text: String) { _ = write(text, to: STDOUT_FILENO) }
    static func printError(_ text: String) { _ = write(text, to: STDERR_FILENO) }
    /// - Returns: whether all of it was written.
    static func printed(_ text: String) -> Bool { write(text, to: STDOUT_FILENO) }

    /// Prints a value as JSON with a newline.
    static func print(json: JSONValue) { print(json.pretty + "\n") }

    /// Text of strangers, such as a label or a backend's answer, on one line: a terminal must not obey it.
    static func harmless(_ text: String) -> String {
        var harmless = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                harmless += scalar == "\n" || scalar == "\t" ? " " : "\\u{\(String(scalar.value, radix: 16))}"
            default: harmless.unicodeScalars.append(scalar)
            }
        }
        return harmless
    }

    /// Writes all of it; gives up when the reader has gone away.
    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }
}
