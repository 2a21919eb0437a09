import Synchronization

/// One line of a push.
struct PushedSample: Sendable, Equatable {
    var family: [UInt8]
    /// `name{label="value"}`.
    var series: [UInt8]
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
    }

    struct Group: Sendable {
        fileprivate(set) var families: [[UInt8]: [[UInt8]: Value]] = [:]
        fileprivate(set) var count = 0

        func value(_ family: [UInt8], _ series: [UInt8]) -> Value? { families[family]?[series] }
    }

    private let groups = Mutex<[String: Group]>([:])

    func read<Result>(_ tenant: String, _ body: (Group) -> Result) -> Result {
        body(groups.withLock { $0[tenant] } ?? Group())
    }

    /// The gateway has taken these.
    ///
    /// - Parameters:
    ///   - newestWithin: a series without a newer value for so long is forgotten, nanoseconds; 0: none is.
    ///   - maximumSeries: once there are nearly as many, all families are looked through, not only those of the push.
    func add(_ samples: [PushedSample], _ tenant: String, newestWithin: Int64, maximumSeries: Int) {
        guard let newest = samples.map(\.time).max() else { return }
        groups.withLock { groups in
            var group = groups.removeValue(forKey: tenant) ?? Group()
            for sample in samples {
                let value = Value(text: sample.value, time: sample.time)
                if group.families[sample.family, default: [:]].updateValue(value, forKey: sample.series) == nil {
                    group.count += 1
                }
            }
            if newestWithin > 0 {
                let isCrowded = group.count > maximumSeries / 10 * 9
                let looked = isCrowded ? Set(group.families.keys) : Set(samples.map(\.family))
                group.forget(looked, before: newest - newestWithin)
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
