import Metrics
import Synchronization

/// What senders said of metric families, by tenant: remote write 1.0 says it once a minute in requests of its own, and 2.0
/// has it with every series.
///
/// Kept in memory: after a start it is what was said since. With more than `mostBytes` all but what is said last is forgotten,
/// and learned anew as it is said again.
final class RemoteWriteFamilies: Sendable {
    static let mostBytes = 16 << 20

    private struct Known {
        var families: [String: MetadataFamilies] = [:]
        var bytes = 0
    }
    private let known = Mutex(Known())

    func learn(_ metadata: [MetricMetadata], of tenant: String) {
        known.withLock { known in
            var families = known.families.removeValue(forKey: tenant) ?? MetadataFamilies()
            known.bytes -= families.bytes
            families.add(metadata)
            if known.bytes + families.bytes > RemoteWriteFamilies.mostBytes {
                (known, families) = (Known(), MetadataFamilies())
                families.add(metadata)
            }
            known.bytes += families.bytes
            known.families[tenant] = families
        }
    }

    func known(of tenant: String) -> MetadataFamilies { known.withLock { $0.families[tenant] ?? MetadataFamilies() } }
}
