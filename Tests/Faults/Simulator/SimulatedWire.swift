import Forwarder
import Metrics

/// What arrives at the simulated servers, through the real decoders.
enum SimulatedWire {
    static func remoteWrite(_ body: [UInt8]) -> [SimulatedServer.Sample]? {
        var plain: [UInt8] = []
        var decoded = DecodedRequest()
        do {
            try body.withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 64 << 20) }
            var decoder = RemoteWriteDecoder()
            try plain.withUnsafeBytes { try decoder.decode($0, into: &decoded) }
        } catch {
            return nil
        }
        return decoded.refusals.isEmpty ? samples(of: decoded.batch) : nil
    }

    /// A snappy block as no encoder makes it, so that a body which was sent on as it came is known again.
    static func literalBlock(_ plain: [UInt8]) -> [UInt8] {
        var block: [UInt8] = []
        Varint.append(UInt64(plain.count), to: &block)
        for start in stride(from: 0, to: plain.count, by: 60) {
            let piece = plain[start..<min(plain.count, start + 60)]
            block.append(UInt8(piece.count - 1) << 2)
            block += piece
        }
        return block
    }

    /// Whether it is one or more of those.
    static func isLiteral(_ body: [UInt8]) -> Bool {
        var plain: [UInt8] = []
        do { try body.withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 64 << 20) } } catch {
            return false
        }
        var packed: [UInt8] = []
        plain.withUnsafeBytes { Snappy.compress($0, into: &packed) }
        return packed != body
    }

    static func lines(_ body: [UInt8]) -> [SimulatedServer.Sample]? {
        var decoded = DecodedRequest()
        guard let plain = gunzip(body) else { return nil }
        var decoder = LineProtocolDecoder()
        do {
            try plain.withUnsafeBytes { try decoder.decode($0, LineContext(arrivalTime: 0), into: &decoded) }
        } catch {
            return nil
        }
        return decoded.refusals.isEmpty ? samples(of: decoded.batch) : nil
    }

    static func bulk(_ request: HTTPRequest) -> (index: String, items: [(id: String, bits: UInt64)])? {
        guard let plain = gunzip(request.body), plain.last == UInt8(ascii: "\n") else { return nil }
        let path = request.url.split(separator: "/").dropFirst(2)
        guard let index = path.first, path.dropFirst().first?.hasPrefix("_bulk?") == true else { return nil }
        let lines = plain.dropLast().split(separator: UInt8(ascii: "\n"))
        guard lines.count % 2 == 0 else { return nil }
        var items: [(id: String, bits: UInt64)] = []
        for at in stride(from: 0, to: lines.count, by: 2) {
            guard let action = try? JSONValue.parse(Array(lines[at])), let id = action["create"]?["_id"]?.string,
                let source = try? JSONValue.parse(Array(lines[at + 1])), let value = source["value"]?.double
            else { return nil }
            items.append((id, value.bitPattern))
        }
        return (String(index), items)
    }

    /// For traces: the tenant, and the numbers of a request's points.
    static func summary(of request: HTTPRequest, _ type: String) -> String {
        let (tenant, bits): (String?, [UInt64]?) =
            switch type {
            case "prometheus_remote_write":
                (request.headers.first { $0.name == "X-Scope-OrgID" }?.value, remoteWrite(request.body)?.map(\.bits))
            case "influxdb": (query("db", of: request.url), lines(request.body)?.map(\.bits))
            default: (bulk(request)?.index, bulk(request)?.items.map(\.bits))
            }
        return "\(tenant ?? "nobody") \((bits ?? []).map(SimulatedPoint.number))"
    }

    static func query(_ name: String, of url: String) -> String? {
        guard let query = url.split(separator: "?").dropFirst().first else { return nil }
        let pair = query.split(separator: "&").first { $0.hasPrefix(name + "=") }
        return pair.map { String($0.dropFirst(name.count + 1)) }
    }

    private static func gunzip(_ body: [UInt8]) -> [UInt8]? {
        var decompressor = Decompressor(.gzip, limit: 64 << 20)
        var plain: [UInt8] = []
        do {
            try body.withUnsafeBytes { try decompressor.feed($0, into: &plain) }
            try decompressor.finish(into: &plain)
            return plain
        } catch {
            return nil
        }
    }

    private static func samples(of batch: Batch) -> [SimulatedServer.Sample] {
        batch.points.series.indices.map { ordinal in
            let labels = batch.series.withLabels(of: batch.points.series[ordinal]) { Array($0) }
            return SimulatedServer.Sample(
                series: String(decoding: labels, as: UTF8.self), time: batch.points.times[ordinal],
                bits: batch.points.bits[ordinal])
        }
    }
}
