import Glibc
import Metrics

/// Where commands print: data on stdout, words about it on stderr.
enum Terminal {
    static func print(_ text: String) { write(text, to: STDOUT_FILENO) }
    static func printError(_ text: String) { write(text, to: STDERR_FILENO) }

    /// Prints a value as JSON with a newline.
    static func print(json: JSONValue) { print(json.pretty + "\n") }

    /// Writes all of it; gives up when the reader has gone away.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
