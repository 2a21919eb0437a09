import Forwarder
import WALStore

/// `chain:` the key with which the node makes its spools show tampering.
struct ChainSection: Sendable, Hashable {
    var keyFile: String?
    /// nil without a file, or with one that is no key.
    var key: ChainKey?
    /// Why the file is not used. No reason not to start: points are taken all the same, and nothing of them is proven.
    var problem: String?

    init(_ settings: Settings) throws(SettingsError) {
        guard let path = try settings.string("key_file") else { return }
        guard path.hasPrefix("/") else {
            throw SettingsError(
                "\(settings.name(of: "key_file")): \"\(path)\" must be a whole path, such as /etc/holdfast/chain.key",
                line: settings.line(of: "key_file"))
        }
        keyFile = path
        do throws(ChainKeyFile.Failure) { key = try ChainKeyFile.read(path) } catch { problem = error.description }
    }
}
