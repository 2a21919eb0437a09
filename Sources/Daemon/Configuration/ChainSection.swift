import Forwarder
import WALStore

/// `chain:` the key with which the node makes its spools show tampering.
struct ChainSection: Sendable, Hashable {
    var keyFile: String?
    /// nil without a file, or with one that is no key.
    var key: ChainKey?
    /// Where the node remembers which spools have a chain; nil: in the data folder.
    var memoryFile: String?
    /// Why the key's file is not used. No reason not to start: points are taken all the same, and nothing of them is proven.
    var problem: String?
    /// nil: the ends of the chains go nowhere by themselves.
    var anchor: AnchorSection?

    init(_ settings: Settings) throws(SettingsError) {
        memoryFile = try ChainSection.path("memory_file", settings, example: "/var/lib/holdfast-chains/chains")
        if let section = try settings.section("anchor") { anchor = try AnchorSection(section) }
        guard let path = try ChainSection.path("key_file", settings, example: "/etc/holdfast/chain.key") else {
            guard anchor == nil else {
                throw SettingsError(
                    "\(settings.name(of: "anchor")): without a key_file there is no chain that could have anchors",
                    line: settings.line(of: "anchor"))
            }
            return
        }
        keyFile = path
        do throws(ChainKeyFile.Failure) { key = try ChainKeyFile.read(path) } catch { problem = error.description }
    }

    private static func path(
        _ key: String, _ settings: Settings, example: String
    ) throws(SettingsError) -> String? {
        guard let path = try settings.string(key) else { return nil }
        guard path.hasPrefix("/") else {
            throw SettingsError(
                "\(settings.name(of: key)): \"\(path)\" must be a whole path, such as \(example)",
                line: settings.line(of: key))
        }
        return path
    }
}
