import Foundation
import TestSupport
import Testing

/// Requests of backends that sign for Amazon, checked with Amazon's own code.
@Suite(.timeLimit(.minutes(5))) struct AWSSignatureTests {
    private static let (accessKey, secretKey, token) = (
        "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/session+token=="
    )

    @Test func `every request is signed as Amazon signs it, body and headers included, and no secret is told`()
        async throws
    {
        let bench = try Workbench("aws")
        let secret = try bench.write("secret", Self.secretKey)
        let session = try bench.write("session", Self.token)
        let metrics = try HTTPTestServer { _, _ in .reply(204) }
        let search = try HTTPTestServer { _, _ in .reply(403, body: Array("no".utf8)) }
        let signature = """
            region: eu-west-1, access_key: \(Self.accessKey), secret_key: "file:\(secret)", session_token: "file:\(session)"
            """
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  metrics: { type: prometheus_remote_write, url: "\(metrics.url)/workspaces/ws-1/api/v1/remote_write",
                             headers: { X-Site: "harbour  7" }, aws_sigv4: { service: aps, \(signature) } }
                  search: { type: elasticsearch, url: "\(search.url)", index: points,
                            aws_sigv4: { service: es, \(signature) } }
                tenants:
                  default: { backends: [metrics, search] }
                """)
        try await node.start()
        let answer = try await Web.post(
            "\(node.url)/api/v1/json", #"{"name":"m","value":1}"#, headers: ["Content-Type": "application/x-ndjson"])
        #expect(answer.status == 200)
        await metrics.received(1)
        await search.received(1)
        for (server, service) in [(metrics, "aps"), (search, "es")] {
            let request = try #require(server.requests.first)
            #expect(request.headers["x-amz-security-token"] == Self.token)
            let signed = request.headers["authorization"] ?? ""
            for name in ["content-type", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"] {
                #expect(signed.contains(name), "\(name) is no part of it: \(signed)")
            }
            #expect(try Self.expected(request, server.url, service, bench) == signed)
        }
        let held = try await eventually(within: 10) { try node.status().backend("search").pending == 1 }
        #expect(held)
        #expect(node.process.stop() == 0)
        #expect(!node.process.words.contains(Self.secretKey) && !node.process.words.contains(Self.token))
        metrics.stop()
        search.stop()
    }

    /// The header, as Amazon's code makes it of the same request.
    private static func expected(
        _ request: HTTPTestServer.Request, _ url: String, _ service: String, _ bench: Workbench
    ) throws -> String {
        let asked: [String: Any] = [
            "method": request.method, "url": url + request.target, "headers": request.headers,
            "body": Data(request.body).base64EncodedString(), "access_key": accessKey, "secret_key": secretKey,
            "region": "eu-west-1", "service": service,
        ]
        let text = String(decoding: try JSONSerialization.data(withJSONObject: asked), as: UTF8.self)
        let file = try bench.write("asked-\(service).json", text)
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let root = here.deletingLastPathComponent().deletingLastPathComponent()
        let answer = try run(
            root.appendingPathComponent(".build/python/bin/python3").path,
            [here.appendingPathComponent("Support/aws_signature.py").path, file])
        guard answer.status == 0 else { throw TestFailure("aws_signature.py: \(answer.errors)") }
        return answer.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
