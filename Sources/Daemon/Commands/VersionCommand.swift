import CHTTPServer
import CYAML
import CZlib
import CZstd
import Forwarder
import Metrics
import WALStore

/// `holdfast version`: ours, and the libraries' that decide what it can do.
struct VersionCommand: Command {
    static let help = CommandHelp(
        name: "version", summary: "Print the version, and those of the libraries in use.",
        options: [CommandHelp.jsonOption],
        examples: [CommandHelp.Example(command: "holdfast version --json", text: "For an inventory")])

    private let isJSON: Bool

    init(_ arguments: Arguments) throws(UsageError) { isJSON = arguments.flag("--json") }

    func run() async throws(CommandFailure) {
        guard isJSON else {
            Terminal.print("holdfast \(HoldfastVersion.text)\n")
            for library in Self.libraries { Terminal.print("  \(library.name) \(library.version)\n") }
            if StorageEngine.hasWALResetBug {
                Terminal.print(
                    "This SQLite has the WAL-reset bug (fixed in 3.51.3, 3.50.7, 3.44.6). Holdfast is safe from it; other\n"
                        + "programs must open its spools with mode=ro.\n")
            }
            return
        }
        Terminal.print(json: Self.json)
    }

    static var json: JSONValue {
        .map([
            "version": .string(HoldfastVersion.text),
            "sqlite_wal_reset_bug": .bool(StorageEngine.hasWALResetBug),
            "libraries": .object(
                libraries.map { JSONValue.Member($0.name, .string($0.version)) }),
        ])
    }

    static var libraries: [(name: String, version: String)] {
        [
            ("sqlite", StorageEngine.version),
            ("libcurl", TransferEngine.version),
            ("libmicrohttpd", MHD_get_version().map { String(cString: $0) } ?? "unknown"),
            ("libyaml", yaml_get_version_string().map { String(cString: $0) } ?? "unknown"),
            ("zlib", zlibVersion().map { String(cString: $0) } ?? "unknown"),
            ("zstd", ZSTD_versionString().map { String(cString: $0) } ?? "unknown"),
        ]
    }
}
