import Metrics
import Synchronization

/// Channels that requests go out on, one at a time each.
///
/// The ids of acknowledgements are numbers that a channel of an indexer begins to count anew when the indexer restarts: with
/// two requests on a channel, the number that one waits for can become another's, which is not yet its own. A channel that had
/// a request whose end is not known is not used again, and none outlives the process.
/// <https://docs.splunk.com/Documentation/Splunk/latest/Data/AboutHECIDXAck>
final class SplunkChannels: Sendable {
    struct Channel: Sendable, Hashable {
        var id: String
        /// Its token was seen to give acknowledgements.
        var isProven = false
    }

    private let idle = Mutex<[String: [Channel]]>([:])

    /// - Parameter tenant: channels are not shared: each may have its own token.
    func take(_ tenant: String) -> Channel {
        idle.withLock { $0[tenant]?.popLast() } ?? Channel(id: SplunkChannels.uuid())
    }

    func giveBack(_ channel: Channel, _ tenant: String) {
        idle.withLock { $0[tenant, default: []].append(channel) }
    }

    /// RFC 9562 section 5.4: version 4, at random.
    private static func uuid() -> String {
        var random = SystemRandomNumberGenerator()
        let (high, low) = (random.next() & ~0xf000 | 0x4000, random.next() & ~(3 << 62) | 2 << 62)
        func hex(_ value: UInt64, _ digits: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: digits - text.count) + text
        }
        return [
            hex(high >> 32, 8), hex(high >> 16 & 0xffff, 4), hex(high & 0xffff, 4), hex(low >> 48, 4),
            hex(low & 0xffff_ffff_ffff, 12),
        ].joined(separator: "-")
    }
}
