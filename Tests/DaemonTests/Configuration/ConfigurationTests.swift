import Forwarder
import Testing
import WALStore

@testable import Daemon

@Suite struct ConfigurationTests {
    struct NoSecret: Error {}

    static func parse(_ text: String, secrets: [String: String] = [:]) throws(ConfigurationError) -> Configuration {
        try Configuration.parse(Array(text.utf8), file: "holdfast.yaml") { reference in
            guard let secret = secrets[reference] else { throw NoSecret() }
            return secret
        }
    }

    static func error(_ text: String, secrets: [String: String] = [:]) -> String {
        do throws(ConfigurationError) {
            _ = try parse(text, secrets: secrets)
            return ""
        } catch {
            return error.description
        }
    }

    static let backend = """
        backends:
          central: { type: prometheus_remote_write, url: "http://127.0.0.1:9090/api/v1/write" }

        """

    @Test func `a config with one backend gets a default tenant that names it`() throws {
        let configuration = try Self.parse(Self.backend)
        #expect(configuration.tenants.map(\.id) == ["default"])
        #expect(configuration.tenants[0].backends == ["central"])
        #expect(configuration.openTenant == "default")
        #expect(configuration.server.listen == .tcp(host: "127.0.0.1", port: 9009))
        #expect(configuration.adminAddress == .unix(path: "./holdfast-data/admin.sock"))
        #expect(configuration.routes.map(\.name) == ["central"])
    }

    @Test func `an unknown key is refused with file, line and the nearest key`() {
        let found = Self.error("data_dir: /x\nservr:\n  listen: 127.0.0.1:1\n")
        #expect(found == "holdfast.yaml:2: servr is not a known key; did you mean \"server\"?")
        let nested = Self.error(Self.backend + "tenants:\n  acme:\n    when_ful: reject\n")
        #expect(nested == "holdfast.yaml:5: tenants.acme.when_ful is not a known key; did you mean \"when_full\"?")
    }

    @Test func `a mistyped key that is needed is named, rather than called missing`() {
        let found = Self.error("backends:\n  central:\n    type: influxdb\n    ulr: http://127.0.0.1:1\n")
        #expect(found == "holdfast.yaml:4: backends.central.ulr is not a known key; did you mean \"url\"?")
        let missing = Self.error("backends:\n  central:\n    type: influxdb\n")
        #expect(missing.hasSuffix("backends.central.url is missing"))
    }

    @Test func `an unknown backend in a tenant is refused with the nearest one`() {
        let found = Self.error(Self.backend + "tenants:\n  acme:\n    backends: [centrl]\n")
        #expect(found.hasPrefix("holdfast.yaml:5: "))
        #expect(found.hasSuffix("did you mean \"central\"?"))
    }

    @Test func `values out of range are refused with their line`() {
        #expect(Self.error("server:\n  threads: 0\n").hasPrefix("holdfast.yaml:2: server.threads"))
        #expect(Self.error("server:\n  timeouts: { body: 2d }\n").hasPrefix("holdfast.yaml:2: server.timeouts.body"))
        #expect(Self.error("node:\n  free_space_reserve: 95%\n").hasPrefix("holdfast.yaml:2: node.free_space_reserve"))
        let tenant = Self.backend + "tenants:\n  acme:\n    commit_linger: 5s\n"
        #expect(Self.error(tenant).hasPrefix("holdfast.yaml:5: tenants.acme.commit_linger"))
    }

    @Test func `a listener beyond loopback without credentials is refused`() throws {
        let open = Self.backend + "server: { listen: \"0.0.0.0:9009\" }\n"
        #expect(Self.error(open).contains("no tenant has credentials"))
        let closed = open + "tenants:\n  acme:\n    credentials: { tokens: [\"env:T\"] }\n"
        let configuration = try Self.parse(closed, secrets: ["env:T": "secret"])
        #expect(configuration.openTenant == nil)
    }

    @Test func `an admin listener over TCP needs loopback and a token`() throws {
        #expect(Self.error(Self.backend + "server: { admin: \"127.0.0.1:1\" }\n").contains("admin_token"))
        #expect(Self.error(Self.backend + "server: { admin: \"0.0.0.0:1\" }\n").contains("Unix socket"))
        let right = Self.backend + "server: { admin: \"127.0.0.1:1\", admin_token: \"env:T\" }\n"
        #expect(try Self.parse(right, secrets: ["env:T": "x"]).adminAddress == .tcp(host: "127.0.0.1", port: 1))
    }

    @Test func `secrets are named, not written, and an empty one is refused`() {
        let inline = Self.backend + "tenants:\n  a:\n    credentials:\n      tokens: [hunter2]\n"
        #expect(Self.error(inline).contains("does not stand in the config"))
        #expect(!Self.error(inline).contains("hunter2"))
        let empty = Self.backend + "tenants:\n  a:\n    credentials:\n      tokens: [\"env:E\"]\n"
        #expect(Self.error(empty, secrets: ["env:E": ""]).contains("is empty"))
        #expect(Self.error(empty).contains("cannot be read"))
    }

    @Test func `two tenants cannot share a token`() {
        let text =
            Self.backend + """
                tenants:
                  a: { credentials: { tokens: ["env:T"] } }
                  b: { credentials: { tokens: ["env:T"] } }
                """
        #expect(Self.error(text, secrets: ["env:T": "same"]).contains("share a token"))
    }

    @Test func `everything a tenant can say reaches its spool`() throws {
        let text =
            Self.backend + """
                tenants:
                  acme:
                    max_bytes: 2GiB
                    max_age: 7d
                    retain: 1h
                    when_full: drop_oldest
                    durability: relaxed
                    commit_linger: 250ms
                    dead_letters: { max_bytes: 1MiB, max_age: 2d }
                    streams: { max_count: 7, max_age: 3d }
                    idempotency_keys: { max_count: 8, max_age: 2h }
                """
        let spool = try Self.parse(text).spools[0]
        #expect(spool.tenant == "acme")
        #expect(spool.maximumBytes == 2 << 30)
        #expect(spool.maximumAgeSeconds == Int64(604_800))
        #expect(spool.retainSeconds == 3600)
        #expect(spool.whenFull == .dropOldest)
        #expect(spool.durability == .normal)
        #expect(spool.commitLingerNanoseconds == 250_000_000)
        #expect(spool.deadLetterMaximumBytes == 1 << 20)
        #expect(spool.deadLetterMaximumAgeSeconds == Int64(172_800))
        var resend = ResendLimits()
        (resend.maximumStreams, resend.streamSeconds) = (7, 259_200)
        (resend.maximumKeys, resend.keySeconds) = (8, 7200)
        #expect(spool.resend == resend)
        #expect(spool.backends.map(\.name) == ["central"])
    }

    @Test func `names that would be unsafe as a folder are refused`() {
        for name in ["../x", "\"\"", ".hidden", "a/b", "a b", "ä", "Upper"] {
            #expect(Self.error(Self.backend + "tenants:\n  \(name): {}\n").contains("holdfast.yaml:4"), "\(name)")
        }
    }

    @Test func `a scrape job needs targets, a tenant and a time-out within its interval`() throws {
        let head = Self.backend + "scrape:\n  - job: node\n"
        #expect(Self.error(head).contains("needs targets or file_sd"))
        #expect(Self.error(head + "    targets: [a:1]\n    interval: 5s\n    timeout: 6s\n").contains("timeout"))
        #expect(Self.error(head + "    targets: [a:1]\n    tenant: defalt\n").contains("did you mean \"default\"?"))
        let job = try Self.parse(head + "    targets: [a:1]\n    labels: { zone: b }\n").scrapeJobs[0]
        #expect(job.tenant == "default")
        #expect(job.labels == [ScrapeSection.Pair(name: "zone", value: "b")])
    }

    @Test func `a rotated secret changes the section's fingerprint, and nothing else does`() throws {
        let text = """
            backends:
              c: { type: prometheus_remote_write, url: "http://x/", bearer_token: "env:T" }
            """
        func fingerprint(_ text: String, _ secret: String) throws -> [String] {
            try YAMLReader.read(Array(text.utf8)).fingerprint { _ in secret }
        }
        #expect(try fingerprint(text, "one") == fingerprint("# moved\n" + text, "one"))
        #expect(try fingerprint(text, "one") != fingerprint(text, "two"))
        #expect(try !fingerprint(text, "hunter2").joined().contains("hunter2"))
    }
}
