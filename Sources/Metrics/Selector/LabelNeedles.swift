/// What the labels of a series must hold, byte by byte, for selectors to match: their conditions of equality, each as
/// canonical labels have it.
///
/// Of a table of thousands most are told apart by that; the few that are left are held against the selectors themselves.
public struct LabelNeedles: Sendable, Hashable {
    /// One label after the other, in the order of canonical labels.
    fileprivate var bytes: [UInt8] = []
    /// Where each ends.
    fileprivate var ends: [Int] = []

    /// - Parameter selectors: all of which must match.
    public init(_ selectors: [SeriesSelector]) {
        var builder = LabelBuilder()
        var labels: [(name: [UInt8], bytes: [UInt8])] = []
        for matcher in selectors.flatMap(\.matchers) {
            guard case .equal(let value) = matcher.condition else { continue }
            builder.reset()
            builder.add(matcher.name, value)
            // An empty value is no label, and what no series can have is left to the selector.
            guard (try? builder.finish(requiresName: false)) != nil, !builder.canonical.isEmpty else { continue }
            labels.append((Array(matcher.name.utf8), builder.canonical))
        }
        for label in labels.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
            bytes.append(contentsOf: label.bytes)
            ends.append(bytes.count)
        }
    }

    public var isEmpty: Bool { ends.isEmpty }
}

extension SeriesTable {
    /// The series, rising, whose labels hold all of these. Others match none of the selectors, as long as no series has
    /// a field or a resource (`isPlain`), which count as labels too.
    package func ids(holding needles: LabelNeedles) -> [Int] {
        var found: [Int] = []
        needles.bytes.withUnsafeBytes { wanted in
            needles.ends.withUnsafeBufferPointer { ends in
                for id in 0..<count {
                    if withLabels(of: UInt32(id), { SeriesTable.hold($0, wanted, ends) }) { found.append(id) }
                }
            }
        }
        return found
    }

    /// Both are in order, so that each label is looked at once.
    @inline(__always)
    private static func hold(
        _ labels: UnsafeRawBufferPointer, _ wanted: UnsafeRawBufferPointer, _ ends: UnsafeBufferPointer<Int>
    ) -> Bool {
        var (at, next, start) = (0, 0, 0)
        while next < ends.count, at < labels.count {
            let first = at
            guard let length = CanonicalLabels.framed(0x0A, labels, &at, labels.count) else { return true }
            at += length
            guard at - first == ends[next] - start else { continue }
            let label = UnsafeRawBufferPointer(rebasing: labels[first..<at])
            guard ByteOrder.compare(label, UnsafeRawBufferPointer(rebasing: wanted[start..<ends[next]])) == 0 else {
                continue
            }
            start = ends[next]
            next += 1
        }
        return next == ends.count
    }
}
