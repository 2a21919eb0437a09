import Forwarder
import TestSupport
import Testing

/// Against a real TLS server with an authority of the test's own.
@Suite(.timeLimit(.minutes(10)))
struct TLSTests {
    let fixture: TLSFixture
    let transport = HTTPTransport()

    init() throws { fixture = try TLSFixture() }

    /// Everything right: each test takes something away.
    private var options: TLSOptions {
        TLSOptions(
            caFile: fixture.authority, certFile: fixture.clientCertificate, keyFile: fixture.clientKey,
            serverName: TLSFixture.serverName)
    }

    private func post(_ server: TLSServer, _ options: TLSOptions) async -> Answer {
        await transport.perform(HTTPRequest(.post, server.url, body: [1, 2, 3], tls: options))
    }

    private func text(_ answer: Answer) throws -> String {
        guard case .response(let response) = answer else { throw TLSFixture.ToolFailure(description: "\(answer)") }
        return String(decoding: response.body, as: UTF8.self)
    }

    @Test func `a server of a private authority is reached by its name, and knows us by our certificate`() async throws
    {
        let server = try TLSServer(fixture)
        // The URL has an address: name and certificate are checked against what the config calls the server.
        #expect(try text(await post(server, options)) == "node-7 metrics.example TLSv1.3 3")
    }

    @Test func `an older server is spoken to, unless the config asks for 1.3`() async throws {
        let server = try TLSServer(fixture, newest: "1.2")
        #expect(try text(await post(server, options)) == "node-7 metrics.example TLSv1.2 3")
        var strict = options
        strict.minimumVersion = .v1_3
        try expectNothingArrived(await post(server, strict))
    }

    @Test func `a server that is not who it should be never sees the request`() async throws {
        let server = try TLSServer(fixture)
        var wrongName = options
        wrongName.serverName = "other.example"
        try expectNothingArrived(await post(server, wrongName))
        var noName = options
        noName.serverName = nil
        try expectNothingArrived(await post(server, noName))
        var stranger = options
        stranger.caFile = fixture.path("stranger.pem")
        try expectNothingArrived(await post(server, stranger))
        var system = options
        system.caFile = nil
        try expectNothingArrived(await post(server, system))
    }

    @Test func `without checks anyone is spoken to`() async throws {
        let server = try TLSServer(fixture)
        var careless = TLSOptions(
            certFile: fixture.clientCertificate, keyFile: fixture.clientKey, insecureSkipVerify: true)
        #expect(try text(await post(server, careless)).hasPrefix("node-7 "))
        careless.caFile = fixture.path("stranger.pem")
        #expect(try text(await post(server, careless)).hasPrefix("node-7 "))
    }

    @Test func `a missing certificate file is a failure that names no bytes as sent`() async throws {
        let server = try TLSServer(fixture)
        var missing = options
        missing.certFile = fixture.path("nowhere.pem")
        try expectNothingArrived(await post(server, missing))
    }

    private func expectNothingArrived(_ answer: Answer, at location: SourceLocation = #_sourceLocation) throws {
        guard case .failure(let failure) = answer else {
            Issue.record("answered: \(try text(answer))", sourceLocation: location)
            return
        }
        #expect(!failure.mayHaveArrived, "\(failure.reason)", sourceLocation: location)
    }
}
