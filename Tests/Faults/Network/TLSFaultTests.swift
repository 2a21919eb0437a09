import Forwarder
import TestSupport
import Testing
import WALStore

/// Whoever cannot prove who it is gets nothing, however long it stays that way.
@Suite(.serialized, .timeLimit(.minutes(3))) struct TLSFaultTests {
    private static let certificates = Result { try CertificateFolder() }

    private func target(_ port: Int, _ certificates: CertificateFolder) -> DeliveryBench.Target {
        DeliveryBench.Target(
            // A handshake that stands still is given up soon; given up too early, it is one more that broke.
            name: "central", url: "https://127.0.0.1:\(port)/write", settings: ["connect_timeout": "500ms"],
            tls: ["ca_file": certificates.authority, "server_name": CertificateFolder.name])
    }

    /// What `status` shows has to tell the operator that it is about the certificate.
    @Test(arguments: ["wrongname", "expired", "future", "selfsigned", "stranger"])
    func `no byte goes to a server that is not proven, and the lane goes on once it is`(_ kind: String) async throws {
        let certificates = try TLSFaultTests.certificates.get()
        let wrong = try TLSPointServer(certificates, certificate: kind)
        let bench = try DeliveryBench()
        try await bench.start(["acme": [target(wrong.port, certificates)]])
        let points = try await bench.append(100)
        let failing = try await bench.lane { $0.attempts >= 4 }
        #expect(failing.lastError.lowercased().contains("certificate"), "\(failing.lastError)")
        let ledger = try await bench.ledger()
        #expect(ledger.pendingPoints == 100 && ledger.deadPoints == 0, "\(ledger)")
        #expect(try wrong.stop().plainBytes == 0)

        let right = try TLSPointServer(certificates, certificate: "good")
        try await bench.configure(["acme": [target(right.port, certificates)]])
        let delivered = try await bench.drained()
        #expect(delivered.deliveredPoints == 100 && delivered.balances, "\(delivered)")
        await bench.stop()
        #expect(try right.stop().values == Set(points))
    }

    @Test(arguments: [0, 5, 60, 200, 700, 1200])
    func `a handshake that breaks at any byte gives nothing away and is tried again`(_ position: Int) async throws {
        let certificates = try TLSFaultTests.certificates.get()
        let server = try TLSPointServer(certificates, certificate: "good")
        let faults: [FaultPlan.Fault] = [
            .reset, .close, .garble(mask: 1), .replace(Array("HTTP/1.1 204 OK\r\n\r\n".utf8)),
        ]
        let proxy = try FaultProxy(to: server.port) { number in
            guard number < 2 * faults.count else { return .clean }
            let stage = FaultPlan.Stage(position, faults[number % faults.count])
            return number < faults.count ? FaultPlan(request: [stage]) : FaultPlan(reply: [stage])
        }
        defer { proxy.stop() }
        let bench = try DeliveryBench()
        try await bench.start(["acme": [target(proxy.port, certificates)]])
        let points = try await bench.append(100)
        let delivered = try await bench.drained()
        #expect(delivered.deliveredPoints == 100 && delivered.balances, "\(delivered)")
        await bench.stop()
        #expect(try server.stop().values == Set(points))
    }

    @Test func `a server that speaks no TLS never sees a request, and neither does one that does where none is asked`()
        async throws
    {
        let certificates = try TLSFaultTests.certificates.get()
        let plain = try PointServer()
        let secret = try TLSPointServer(certificates, certificate: "good")
        defer { plain.stop() }
        let bench = try DeliveryBench()
        try await bench.start(["acme": [target(plain.port, certificates)]])
        try await bench.append(10)
        _ = try await bench.lane { $0.attempts >= 3 }
        #expect(plain.http.requests.isEmpty)
        try await bench.configure([
            "acme": [
                .init(name: "central", url: "http://127.0.0.1:\(secret.port)/write", settings: ["timeout": "1s"])
            ]
        ])
        _ = try await bench.lane { $0.attempts >= 3 }
        #expect(try await bench.ledger().pendingPoints == 10)
        await bench.stop()
        #expect(try secret.stop().plainBytes == 0)
    }
}
