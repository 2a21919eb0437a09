import Forwarder
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// What the shared keys of backends refuse, and in which words.
@Suite(.timeLimit(.minutes(10)))
struct BackendSettingsTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        var type = "influxdb"
        var values: [String: String] = [:]
        var sections: [String: [String: String]] = [:]
        /// What the message must hold: the key by its whole name, and what is wrong with it.
        var words: [String]
        var testDescription: String { words.joined(separator: " ") }
    }

    private static let login = ["username": "u", "password": "env:p"]

    @Test(arguments: [
        Mistake(sections: ["headers": ["X-A": "1", "x-a": "2"]], words: ["backends.b.headers.x-a", "twice"]),
        Mistake(
            sections: ["headers": ["Authorization": "Bearer x"]], words: ["headers.Authorization", "bearer_token"]),
        Mistake(sections: ["headers": ["X A": "1"]], words: ["headers.X A", "no HTTP header"]),
        Mistake(
            values: ["bearer_token": "env:t"], sections: ["basic_auth": login],
            words: ["basic_auth and bearer_token exclude each other"]),
        Mistake(
            sections: ["basic_auth": ["username": "a:b", "password": "env:p"]],
            words: ["backends.b.basic_auth.username", "colon"]),
        Mistake(sections: ["basic_auth": ["username": "u"]], words: ["backends.b.basic_auth.password", "missing"]),
        Mistake(values: ["bearer_token": "env:"], words: ["backends.b.bearer_token", "empty"]),
        Mistake(sections: ["tls": ["cert_file": "/c.pem"]], words: ["cert_file and key_file go together"]),
        Mistake(sections: ["tls": ["min_version": "1.1"]], words: ["backends.b.tls.min_version", "1.2"]),
        Mistake(values: ["url": "http://127.0.0.1:0/x"], words: ["backends.b.url", "\"0\"", "not a port"]),
        Mistake(values: ["url": "http://[::1]:65536"], words: ["backends.b.url", "65536", "not a port"]),
        Mistake(values: ["proxy": "http://proxy:+80"], words: ["backends.b.proxy", "+80", "not a port"]),
        Mistake(values: ["timeout": "0s"], words: ["backends.b.timeout", "above 0 and at most 1h"]),
        Mistake(values: ["timeout": "2h"], words: ["backends.b.timeout", "above 0 and at most 1h"]),
        Mistake(values: ["connect_timeout": "soon"], words: ["backends.b.connect_timeout", "soon", "not a duration"]),
        Mistake(values: ["proxy": "http://u:p@proxy:3128"], words: ["backends.b.proxy", "must not carry a user"]),
        Mistake(values: ["proxy": "socks5://proxy"], words: ["backends.b.proxy", "http:// or https://"]),
        Mistake(values: ["max_body_size": "10"], words: ["backends.b.max_body_size", "between 1KiB and 1GiB"]),
        Mistake(values: ["max_body_size": "much"], words: ["backends.b.max_body_size", "much", "not a size"]),
        Mistake(values: ["max_points": "0"], words: ["backends.b.max_points"]),
        Mistake(values: ["headers": "X-A"], words: ["backends.b.headers", "must be a map"]),
        Mistake(values: ["tls": "yes"], words: ["backends.b.tls", "must be a map"]),
        Mistake(sections: ["timeout": ["a": "1"]], words: ["backends.b.timeout", "one value"]),
        Mistake(
            type: "elasticsearch", values: ["api_key": "env:k", "bearer_token": "env:t"],
            words: ["api_key excludes basic_auth and bearer_token"]),
        Mistake(
            type: "elasticsearch", values: ["url": "http://127.0.0.1:9200/?pretty"],
            words: ["backends.b.url", "without a query"]),
        Mistake(
            type: "nats_jetstream", values: ["subject": "a..{tenant}"], words: ["backends.b.subject", "no subject"]),
        Mistake(type: "nats_jetstream", values: ["subject": "a.>"], words: ["backends.b.subject", "no subject"]),
        Mistake(type: "nats_jetstream", values: ["subject": "$JS.API"], words: ["backends.b.subject", "no subject"]),
        Mistake(
            type: "nats_jetstream", values: ["stream": "a.b"], words: ["backends.b.stream", "no name of a stream"]),
        Mistake(type: "nats_jetstream", values: ["url": "http://h"], words: ["backends.b.url", "nats://"]),
        Mistake(type: "nats_jetstream", values: ["url": "nats://u:p@h"], words: ["backends.b.url", "basic_auth"]),
        Mistake(type: "nats_jetstream", values: ["url": "nats://h/x"], words: ["backends.b.url", "without a path"]),
        Mistake(type: "nats_jetstream", values: ["url": "nats://:4222"], words: ["backends.b.url", "names no host"]),
        Mistake(type: "nats_jetstream", values: ["url": "nats://[::1]:0"], words: ["backends.b.url", "not a port"]),
        Mistake(
            type: "nats_jetstream", values: ["token": "env:t"], sections: ["basic_auth": login],
            words: ["token and credentials_file exclude each other"]),
        Mistake(type: "nats_jetstream", values: ["credentials_file": "x"], words: ["credentials_file", "absolute"]),
        Mistake(
            type: "nats_jetstream", sections: ["tls": ["min_version": "1.3"]], words: ["tls.min_version", "libnats"]),
        Mistake(type: "kafka", values: ["brokers": "kafka.example"], words: ["backends.b.brokers", "host:port"]),
        Mistake(type: "kafka", values: ["brokers": "u:p@h:9092"], words: ["backends.b.brokers", "host:port"]),
        Mistake(type: "kafka", values: ["topic": "a/{tenant}"], words: ["backends.b.topic", "no name of a topic"]),
        Mistake(type: "kafka", values: ["sasl": "plain"], words: ["backends.b.sasl", "basic_auth"]),
        Mistake(type: "kafka", sections: ["tls": ["server_name": "x"]], words: ["backends.b.tls", "librdkafka"]),
        Mistake(type: "mqtt", values: ["topic": "a//{tenant}"], words: ["backends.b.topic", "no topic"]),
        Mistake(type: "mqtt", values: ["topic": "a/+"], words: ["backends.b.topic", "no topic"]),
        Mistake(type: "mqtt", values: ["topic": "$SYS/x"], words: ["backends.b.topic", "no topic"]),
        Mistake(type: "mqtt", values: ["client_id": "a b"], words: ["backends.b.client_id", "without blanks"]),
        Mistake(type: "mqtt", values: ["qos": "0"], words: ["backends.b.qos", "from 1 to 2"]),
        Mistake(type: "mqtt", values: ["protocol": "3.1"], words: ["backends.b.protocol", "3.1.1"]),
        Mistake(type: "mqtt", values: ["keep_alive": "1s"], words: ["backends.b.keep_alive", "between 5s and 1h"]),
        Mistake(type: "mqtt", sections: ["tls": ["ca_file": "/x"]], words: ["backends.b.tls", "mqtts://"]),
        Mistake(
            type: "mqtt", values: ["url": "mqtts://h"], sections: ["tls": ["server_name": "other"]],
            words: ["tls.server_name", "libmosquitto"]),
        Mistake(type: "nats_jetstream", values: ["payload": "xml"], words: ["backends.b.payload", "line_protocol"]),
        Mistake(
            type: "archive", values: ["rotate_size": "2MiB", "max_bytes": "1MiB"],
            words: ["backends.b.rotate_size", "not be larger than max_bytes"]),
        Mistake(type: "archive", values: ["rotate_after": "10ms"], words: ["backends.b.rotate_after", "1s at least"]),
        Mistake(type: "archive", values: ["max_bytes": "100"], words: ["backends.b.max_bytes", "4KiB at least"]),
        Mistake(
            type: "archive", values: ["path": "/srv/{tenant}/{day}"], words: ["backends.b.path", "{tenant}", "{day}"]),
    ])
    func `a mistake names its key, its line and what would be right`(_ mistake: Mistake) throws {
        let minimum = try BackendFixture.minimum(of: mistake.type, url: "http://127.0.0.1:9", folder: "/srv")
        let error = #expect(throws: SettingsError.self) {
            try BackendFixture.make(mistake.type, minimum.merging(mistake.values) { $1 }, mistake.sections)
        }
        for word in mistake.words { #expect(error?.message.contains(word) == true, "\(String(describing: error))") }
        #expect([2, 3, 4].contains(error?.line ?? 0))
    }

    @Test func `the tls section reaches the connection`() async throws {
        let fixture = try TLSFixture()
        let server = try TLSServer(fixture)
        let tls = [
            "ca_file": fixture.authority, "cert_file": fixture.clientCertificate, "key_file": fixture.clientKey,
            "server_name": TLSFixture.serverName, "min_version": "1.3",
        ]
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2]))
        let trusting = try BackendFixture.make("prometheus_remote_write", ["url": server.url], ["tls": tls])
        #expect(await BackendFixture.deliver(trusting, chunk) == .delivered)
        let other = try BackendFixture.make(
            "prometheus_remote_write", ["url": server.url],
            ["tls": tls.merging(["ca_file": fixture.path("stranger.pem")]) { $1 }])
        guard case .retry(_, let reason) = await BackendFixture.deliver(other, chunk) else {
            Issue.record("a stranger's server was trusted")
            return
        }
        #expect(reason.contains("certificate"))
    }

    @Test func `the proxy key reaches the connection`() async throws {
        let proxy = try HTTPTestServer()
        let backend = try BackendFixture.make(
            "prometheus_remote_write", ["url": "http://backend.invalid/api/v1/write", "proxy": proxy.url])
        #expect(
            await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([1]))) == .delivered)
        #expect(proxy.requests.map(\.target) == ["http://backend.invalid/api/v1/write"])
        proxy.stop()
    }

    @Test(arguments: ["http://127.0.0.1", "http://[::1]", "http://[::1]:8086", "https://example.org:65535/x?a=b:c"])
    func `a url with a sound port, or none, is taken`(url: String) throws {
        _ = try BackendFixture.make("prometheus_remote_write", ["url": url])
    }

    @Test func `a pipe that nobody writes to is an empty secret`() throws {
        let folder = try TemporaryFolder()
        #expect(mkfifo(folder.path + "/token", 0o600) == 0)
        #expect(try Settings.systemSecret("file:\(folder.path)/token") == "")
    }

    @Test func `a secret is read from its file without the line's end, and a missing one says why`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/token"
        let file = try #require(fopen(path, "w"))
        fputs("s3cret with blanks \r\n", file)
        fclose(file)
        #expect(try Settings.systemSecret("file:\(path)") == "s3cret with blanks ")
        setenv("HOLDFAST_TEST_SECRET", "from the environment", 1)
        #expect(try Settings.systemSecret("env:HOLDFAST_TEST_SECRET") == "from the environment")
        for (reference, reason) in [
            ("file:\(folder.path)/nowhere", "No such file"), ("env:HOLDFAST_TEST_NO_SECRET", "not set"),
            ("file:\(folder.path)", "Is a directory"),
        ] {
            let error = #expect(throws: (any Error).self) { try Settings.systemSecret(reference) }
            #expect(error.map { "\($0)" }?.contains(reason) == true, "\(reference): \(String(describing: error))")
        }
    }
}
