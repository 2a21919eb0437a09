import Metrics

/// The body of a remote write request as it came, for sending on: a snappy block that says these points and nothing else
/// (`DecodedRequest.isVerbatim`).
public struct WireBody: Sendable, Hashable {
    /// Shared, never copied.
    public var bytes: [UInt8]
    /// Its points in the stored row.
    public var ordinals: Range<Int>

    public init(bytes: [UInt8], ordinals: Range<Int>) {
        self.bytes = bytes
        self.ordinals = ordinals
    }
}

/// A row that is nothing but such bodies, one after the other.
struct RowBodies: Sendable {
    var bodies: [WireBody]
    /// Each of its series comes once: its bodies may overtake each other where the order of a series has to be kept.
    var isDistinct: Bool

    /// Memory.
    private(set) var bytes = 96
    var points: Int { bodies.last?.ordinals.upperBound ?? 0 }

    /// - Returns: nil when anything of the row is not in a body that may be sent on.
    init?(_ row: PackedRow, _ appends: [CommitQueue.Append]) {
        guard row.batch.points.count > 0 else { return nil }
        bodies = []
        bodies.reserveCapacity(row.slices.count)
        var first = 0
        for slice in row.slices {
            let request = appends[slice.append].request
            guard let body = request.body, slice.ordinals == 0..<request.decoded.batch.points.count,
                !slice.ordinals.isEmpty
            else { return nil }
            bodies.append(WireBody(bytes: body, ordinals: first..<first + slice.ordinals.count))
            bytes += 96 + body.capacity
            first += slice.ordinals.count
        }
        isDistinct = row.batch.series.count == row.batch.points.count
    }

    /// The bodies of these ordinals: whole ones, none where the first begins before `ordinals` does.
    func whole(_ ordinals: Range<Int>) -> ArraySlice<WireBody> {
        guard let first = bodies.firstIndex(where: { $0.ordinals.lowerBound == ordinals.lowerBound }) else { return [] }
        return bodies[first...].prefix { $0.ordinals.upperBound <= ordinals.upperBound }
    }
}
