import Synchronization

/// One line of a push.
struct PushedSample: Sendable, Equatable {
    var family: [UInt8]
    /// `name{label="value"}`.
    var series: [UInt8]
    /// The last series of the histogram or summary that it is a part of, which each of them has; else empty.
    var whole: [UInt8] = []
    /// As the text format has it.
    var value: [UInt8]
    /// Nanoseconds since the epoch.
    var time: Int64
}

/// What the gateway took of each tenant's group last, in memory: a push replaces whole families, so that it has to bring the
/// other series of a family along.
final class PushedSeries: Sendable {
    struct Value: Sendable, Equatable {
        var text: [UInt8]
        var time: Int64
        /// As in `PushedSample`.
        var whole: [UInt8]

        init(_ sample: PushedSample) { (text, time, whole) = (sample.value, sample.time, sample.whole) }
    }

    struct Group: Sendable {
        fileprivate(set) var families: [[UInt8]: [[UInt8]: Value]] = [:]
        fileprivate(set) var count = 0

        /// A family as it is once `samples` are added: newer values stay, and what a histogram had and has no more goes.
        ///
        /// - Parameter samples: of this family.
        func family(_ name: [UInt8], adding samples: [PushedSample]) -> [[UInt8]: Value] {
            var family = families[name] ?? [:]
            let wholes = Set(samples.lazy.map(\.whole).filter { !$0.isEmpty })
            if !wholes.isEmpty { family = family.filter { !wholes.contains($0.value.whole) } }
            for sample in samples where family[sample.series].map({ $0.time <= sample.time }) ?? true {
                family[sample.series] = Value(sample)
            }
            return family
        }

        func value(_ family: [UInt8], _ series: [UInt8]) -> Value? { families[family]?[series] }
    }

    private let groups = Mutex<[String: Group]>([:])

    func read<Result>(_ tenant: String, _ body: (Group) -> Result) -> Result {
        body(groups.withLock { $0[tenant] } ?? Group())
    }

    /// The gateway has taken these.
    ///
    /// - Parameters:
    ///   - wall: nanoseconds since the epoch; a sample that is ahead of it makes no other old.
    ///   - newestWithin: a series without a newer value for so long is forgotten, nanoseconds; 0: none is.
    ///   - maximumSeries: once there are nearly as many, all families are looked through, not only those of the push.
    func add(_ samples: [PushedSample], _ tenant: String, wall: Int64, newestWithin: Int64, maximumSeries: Int) {
        guard let newest = samples.map(\.time).max() else { return }
        groups.withLock { groups in
            var group = groups.removeValue(forKey: tenant) ?? Group()
            for (name, added) in Dictionary(grouping: samples, by: \.family) {
                let family = group.family(name, adding: added)
                group.count += family.count - (group.families[name]?.count ?? 0)
                group.families[name] = family
            }
            if newestWithin > 0 {
                let isCrowded = group.count > maximumSeries / 10 * 9
                let looked = isCrowded ? Set(group.families.keys) : Set(samples.map(\.family))
                group.forget(looked, before: min(newest, wall) - newestWithin)
            }
            groups[tenant] = group
        }
    }
}

extension PushedSeries.Group {
    fileprivate mutating func forget(_ names: Set<[UInt8]>, before oldest: Int64) {
        for name in names {
            guard let series = families[name], series.values.contains(where: { $0.time < oldest }) else { continue }
            let kept = series.filter { $0.value.time >= oldest }
            count -= series.count - kept.count
            families[name] = kept.isEmpty ? nil : kept
        }
    }
}
