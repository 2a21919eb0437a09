import Metrics

extension CompareReport {
    var json: JSONValue {
        .object([
            .init("scrapes", .int(Int64(options.scrapes))), .init("series", .int(Int64(options.series))),
            .init("steady_samples_per_second", .int(Int64(options.rate))), .init("rounds", .int(Int64(options.rounds))),
            .init("compared", .array(peers.map(CompareReport.json))), .init("rows", .array(rows.map(json))),
        ])
    }

    private static func json(_ peer: BenchPeer) -> JSONValue {
        .object([
            .init("kind", .string(peer.kind.rawValue)), .init("version", .string(peer.version)),
            .init("path", .string(peer.path)),
        ])
    }

    private func json(_ row: CompareRow) -> JSONValue {
        .object([
            .init("row", .string(row.rawValue)), .init("title", .string(row.title)), .init("unit", .string(row.unit)),
            .init("target", row.target.map { .string($0.text) } ?? .null),
            .init("is_met", shortfall(row).map { .bool($0 <= 0) } ?? .null),
            .init("figures", .array(peers.indices.map { figures(row, $0) })),
        ])
    }

    /// In the order of `compared`; the ratio is Holdfast's figure to this one.
    private func figures(_ row: CompareRow, _ peer: Int) -> JSONValue {
        func number(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
        return .object([
            .init("median", number(median(row, peer))), .init("ratio", number(peer == 0 ? nil : ratio(row, peer))),
            .init("rounds", .array((0..<options.rounds).map { number(figure(row, peer, round: $0)) })),
        ])
    }
}
