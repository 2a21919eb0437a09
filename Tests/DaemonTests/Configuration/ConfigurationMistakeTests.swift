import Testing

@testable import Daemon

/// Each mistake an operator can make in a section: the line it is on, and the words that say what would be right.
@Suite struct ConfigurationMistakeTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        /// What follows a backend section of two lines.
        var text: String
        var line: Int
        var words: [String]
        var testDescription: String { text }
    }

    @Test(arguments: [
        Mistake(text: "tenants: {}", line: 3, words: ["tenants must name at least one tenant"]),
        Mistake(
            text: "tenants:\n  acme:\n    backends: [central, central]", line: 5,
            words: ["tenants.acme.backends", "central twice"]),
        Mistake(
            text: "tenants:\n  acme:\n    credentials: {}", line: 5,
            words: ["tenants.acme.credentials", "neither tokens nor users"]),
        Mistake(
            text: "tenants:\n  acme:\n    credentials:\n      users: [{ name: a }]", line: 6,
            words: ["password is missing or empty"]),
        Mistake(
            text: "tenants:\n  acme:\n    credentials:\n      users: [{ name: \"a:b\", password: \"env:P\" }]", line: 6,
            words: ["name must not contain a colon"]),
        Mistake(
            text: """
                tenants:
                  one: { credentials: { users: [{ name: a, password: "env:P" }] } }
                  two: { credentials: { users: [{ name: a, password: "env:Q" }] } }
                """, line: 3, words: ["one and two share the user a"]),
        Mistake(
            text: "server:\n  listen: everywhere", line: 4, words: ["server.listen", "everywhere", "127.0.0.1:9009"]),
        Mistake(
            text: "scrape:\n  - job: j\n    targets: [\"h:1\"]\n    basic_auth: { username: u }", line: 6,
            words: ["password is missing"]),
        Mistake(
            text: "tenants: { a: {}, b: {} }\nscrape:\n  - job: j\n    targets: [\"h:1\"]", line: 5,
            words: ["tenant is missing: there are several"]),
        Mistake(
            text: """
                  a: { type: archive, path: "/x/{tenant}" }
                  b: { type: archive, path: "/x/./{tenant}/" }
                """, line: 4,
            words: ["backends.b.path: /x/{tenant} is the folder of backend a too", "tenant default"]),
        Mistake(
            text: "  better: { type: archive, renamed_from: central }", line: 3,
            words: ["backends.better.renamed_from: central is still a backend of its own"]),
        Mistake(
            text: "  a: { type: archive, renamed_from: old }\n  b: { type: archive, renamed_from: old }", line: 4,
            words: ["backends.b.renamed_from: old is what a was already"]),
        Mistake(
            text: "  far: { type: influxdb, url: \"http://127.0.0.1:99999\", database: d }", line: 3,
            words: ["backends.far.url", "99999", "not a port"]),
        Mistake(text: "node: { max_bytes: 1MiB }", line: 3, words: ["node.max_bytes must be from 16777216"]),
        Mistake(text: "data_dir: [a]", line: 3, words: ["data_dir", "one value"]),
        Mistake(text: "[a]: 1", line: 3, words: ["a key must be a plain word"]),
    ])
    func `a mistake is told with its line and what would be right`(_ mistake: Mistake) {
        let text =
            "backends:\n  central: { type: prometheus_remote_write, url: \"http://127.0.0.1:9/w\" }\n\(mistake.text)\n"
        let found = ConfigurationTests.error(text, secrets: ["env:P": "p", "env:Q": "q"])
        #expect(found.hasPrefix("holdfast.yaml:\(mistake.line): "), "\(found)")
        for word in mistake.words { #expect(found.contains(word), "\(found)") }
    }

    @Test func `a backend's name and backfill are checked`() {
        let name = ConfigurationTests.error("backends:\n  \"a b\": { type: archive }\n")
        #expect(name.hasPrefix("holdfast.yaml:2: backends.a b: "), "\(name)")
        let list = ConfigurationTests.error("backends: []\n")
        #expect(list.contains("backends must be a map of at least one backend"), "\(list)")
        let backfill = ConfigurationTests.error("backends:\n  a:\n    type: archive\n    backfill: some\n")
        #expect(backfill.hasPrefix("holdfast.yaml:4: backends.a.backfill: "), "\(backfill)")
        #expect(backfill.hasSuffix("neither none, all nor a duration such as 24h"))
    }

    @Test func `archives of one path are fine while no tenant has both`() throws {
        let backends = """
            backends:
              a: { type: archive, path: "/x/{tenant}" }
              b: { type: archive, path: "/x/{tenant}" }

            """
        let apart = "tenants: { one: { backends: [a] }, two: { backends: [b] } }\n"
        #expect(try ConfigurationTests.parse(backends + apart).backends.count == 2)
        let together = "tenants: { one: { backends: [a, b] } }\n"
        #expect(ConfigurationTests.error(backends + together).contains("give each its own"))
    }

    @Test func `paths are compared from the root on, without what changes nothing`() {
        #expect(PlainPath.of("/a//b/./c/") == "/a/b/c")
        #expect(PlainPath.of("./a") == PlainPath.of("a"))
        #expect(PlainPath.of("a").hasPrefix("/") && PlainPath.of("a").hasSuffix("/a"))
    }

    @Test func `a tenant without a backend is allowed, with a warning`() throws {
        let configuration = try ConfigurationTests.parse(
            ConfigurationTests.backend + "tenants:\n  acme: { backends: [] }\n")
        #expect(configuration.warnings.contains { $0.hasPrefix("tenant acme names no backend") })
    }
}
