import Forwarder
import WALStore

/// `node:` what all tenants share.
extension NodeConfiguration {
    init(_ settings: Settings) throws(SettingsError) {
        self.init()
        // Less would not hold a spool, its log and the ballast's share.
        if settings.has("max_bytes") {
            maximumBytes = Int64(try settings.size("max_bytes", default: 0, in: 16 << 20...1 << 50))
        }
        if let text = try settings.string("free_space_reserve") {
            guard text.hasSuffix("%"), let percent = Double(text.dropLast()), (0...90).contains(percent) else {
                throw SettingsError(
                    "node.free_space_reserve: \"\(text)\" is not a share of the disk such as 5%, from 0% to 90%",
                    line: settings.line(of: "free_space_reserve"))
            }
            freeSpaceReservePercent = percent
        }
        openSpools = try settings.int("open_spools", default: openSpools, in: 1...65_536)
        writerThreads = try settings.int("writer_threads", default: writerThreads, in: 1...64)
        readerThreads = try settings.int("reader_threads", default: readerThreads, in: 1...64)
    }
}
