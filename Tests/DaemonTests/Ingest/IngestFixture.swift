import Forwarder
import Metrics
import Synchronization
import TestSupport
import WALStore

@testable import Daemon

/// A listener with every source on a real store in a folder of its own.
final class IngestFixture: Sendable {
    static let arrival: Int64 = 1_800_000_000_000_000_000

    let folder: TemporaryFolder
    let store: WALStore
    let ingest: Ingest
    let server: HTTPServer

    /// - Parameters:
    ///   - upkeepInterval: nil: no upkeep, and a budget that is used up stays so.
    ///   - append: what comes between ingest and store; nil: nothing.
    ///   - changeSpool: another policy or budget than the default.
    init(
        tenants: [String] = ["default"], access: [AccessRule] = [], upkeepInterval: Duration? = .seconds(1),
        append: (@Sendable (WALStore) -> Ingest.Append)? = nil,
        spools changeSpool: (inout SpoolConfiguration) -> Void = { _ in },
        limits change: (inout IngestLimits) -> Void = { _ in },
        server changeServer: (inout HTTPServerSettings) -> Void = { _ in }
    ) async throws {
        folder = try TemporaryFolder()
        let store = try WALStore(
            directory: folder.path + "/data", node: NodeConfiguration(), upkeepInterval: upkeepInterval,
            events: { _ in })
        self.store = store
        try await store.configure(
            tenants.map {
                var spool = SpoolConfiguration(
                    tenant: $0, backends: [BackendRegistration(name: "sink", type: "archive")])
                changeSpool(&spool)
                return spool
            })
        var settings = IngestSettings(
            tenants: tenants, openTenant: tenants.count == 1 && access.isEmpty ? tenants[0] : nil, version: "test")
        settings.access = access
        change(&settings.limits)
        let time = TimeSource(wall: { IngestFixture.arrival }, boot: { 0 }, bootID: { "test" })
        let straight: Ingest.Append = { store.append($0, tenant: $1, completion: $2) }
        let sink = Mailbox<IngestRecord>()
        ingest = Ingest(
            settings: settings, time: time, append: append?(store) ?? straight,
            progress: { store.progress(of: $0, tenant: $1, completion: $2) }, observe: { sink.put($0) })
        server = try startServer(ingest.routes, changeServer)
        observed = sink
    }
    let observed: Mailbox<IngestRecord>

    func client() throws -> PatientClient { try PatientClient(port: server.port) }

    /// Everything a tenant's spool owes its backend, in order.
    func stored(_ tenant: String = "default") async throws -> [StoredPoint] {
        try await store.withSpool(tenant) { spool async throws(SpoolError) in
            var all: [StoredPoint] = []
            var leases: [Lease] = []
            while let lease = try await spool.lease(backend: "sink", limit: LeaseLimit(points: 10_000)) {
                leases.append(lease)
                for piece in lease.pieces {
                    for ordinal in piece.ordinals { all.append(StoredPoint(piece.batch, ordinal)) }
                }
            }
            for lease in leases { await spool.release(lease) }
            return all
        }
    }

    /// Whether the gate is empty, or becomes so within ten seconds: the last holder lets go just after the answer.
    func gateEmpties() async throws -> Bool {
        for _ in 0..<2000 where ingest.gate.heldBytes > 0 { try await Task.sleep(for: .milliseconds(5)) }
        return ingest.gate.heldBytes == 0
    }

    func close() async {
        let server = server
        await Blocking.run { server.drain(limit: .seconds(5)) }
        await store.close()
    }
}

/// A point as a test compares it.
struct StoredPoint: Hashable, Sendable, CustomStringConvertible {
    var name: String
    var labels: [String: String]
    var field: String
    var time: Int64
    var bits: UInt64

    init(_ batch: Batch, _ ordinal: Int) {
        let id = batch.points.series[ordinal]
        var labels: [String: String] = [:]
        batch.series.withLabels(of: id) { bytes in
            for pair in LabelIterator(bytes) { labels[pair.nameString] = pair.valueString }
        }
        name = labels.removeValue(forKey: "__name__") ?? ""
        self.labels = labels
        field = batch.field(of: id)
        time = batch.points.times[ordinal]
        bits = batch.points.bits[ordinal]
    }

    var value: Double { Double(bitPattern: bits) }
    var description: String { "\(name)\(labels).\(field) \(value) @\(time)" }
}

/// Remote write bodies, made short.
enum RemoteWriteBody {
    struct Sample {
        var value: Double
        var milliseconds: Int64
    }

    /// One `TimeSeries`; labels in the order given.
    static func series(_ labels: [(String, String)], _ samples: [Sample]) -> [UInt8] {
        var series: [UInt8] = []
        for (name, value) in labels {
            var label: [UInt8] = []
            append(1, Array(name.utf8), to: &label)
            append(2, Array(value.utf8), to: &label)
            append(1, label, to: &series)
        }
        for sample in samples {
            var bytes: [UInt8] = [0x09]
            withUnsafeBytes(of: sample.value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
            bytes.append(0x10)
            Varint.append(UInt64(bitPattern: sample.milliseconds), to: &bytes)
            append(2, bytes, to: &series)
        }
        var request: [UInt8] = []
        append(1, series, to: &request)
        return request
    }

    static func snappy(_ plain: [UInt8]) -> [UInt8] {
        var block: [UInt8] = []
        plain.withUnsafeBytes { Snappy.compress($0, into: &block) }
        return block
    }

    private static func append(_ field: UInt64, _ content: [UInt8], to bytes: inout [UInt8]) {
        Varint.append(field << 3 | 2, to: &bytes)
        Varint.append(UInt64(content.count), to: &bytes)
        bytes.append(contentsOf: content)
    }

    static let headers = [
        "Content-Type: application/x-protobuf", "Content-Encoding: snappy",
        "X-Prometheus-Remote-Write-Version: 0.1.0", "User-Agent: test",
    ]
}
