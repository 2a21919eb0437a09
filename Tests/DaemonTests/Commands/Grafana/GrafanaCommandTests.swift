import Forwarder
import Foundation
import TestSupport
import Testing

@testable import Daemon

@Suite struct GrafanaCommandTests {
    /// What is wrong with a command line; empty: nothing.
    private static func usage(_ words: String...) -> String {
        do throws(UsageError) {
            _ = try GrafanaCommand(try Arguments(words, for: GrafanaCommand.help))
            return ""
        } catch { return error.description }
    }

    private static func access(
        _ words: String..., secret: @escaping (String) throws -> String = { $0 }
    ) throws(UsageError) -> GrafanaAccess {
        try GrafanaAccess(try Arguments(words, for: GrafanaCommand.help), readSecret: secret)
    }

    @Test func `a token is a file's or the environment's, a user has a password`() throws {
        let url = ["--url", "https://g.example/grafana/"]
        #expect(try Self.access(url[0], url[1]).authentication == .bearer(Secret("env:HOLDFAST_GRAFANA_TOKEN")))
        #expect(try Self.access(url[0], url[1]).url == "https://g.example/grafana")
        #expect(try Self.access(url[0], url[1], "--token-file", "/t").authentication == .bearer(Secret("file:/t")))
        #expect(
            try Self.access(url[0], url[1], "--user", "me", "--password-file", "/p").authentication
                == .basic(user: "me", password: Secret("file:/p")))
        #expect(throws: UsageError.self) { try Self.access("--url", "http://g", "--password-file", "/p") }
        #expect(throws: UsageError.self) {
            try Self.access("--url", "http://g", "--user", "me", "--token-file", "/t")
        }
        #expect(throws: UsageError.self) { try Self.access("--url", "http://g", "--user", "a:b") }
        #expect(throws: UsageError.self) { try Self.access("--url", "http://g", secret: { _ in "" }) }
        #expect(throws: UsageError.self) { try Self.access("--url", "http://g", secret: { _ in "a\nb" }) }
    }

    @Test func `TLS, a proxy and a time go into each request`() throws {
        let access = try Self.access(
            "--url", "https://g", "--ca-file", "/ca", "--cert-file", "/c", "--key-file", "/k", "--server-name", "n",
            "--proxy", "http://p:1", "--timeout", "5s", "--org", "3")
        let request = access.request(.get, "/api/x", headers: [("A", "b")])
        #expect(request.tls == TLSOptions(caFile: "/ca", certFile: "/c", keyFile: "/k", serverName: "n"))
        #expect(request.proxy == "http://p:1" && request.timeout == .seconds(5) && request.url == "https://g/api/x")
        #expect(request.headers.contains { $0.name == "X-Grafana-Org-Id" && $0.value == "3" })
        #expect(throws: UsageError.self) { try Self.access("--url", "https://g", "--cert-file", "/c") }
    }

    @Test(arguments: [
        "localhost:3000", "ftp://g", "http://", "http:///x", "http://u:p@g", "http://g?x=1", "http://g#x", "http://a b",
    ])
    func `what is no address is refused`(url: String) {
        #expect(throws: UsageError.self) { try Self.access("--url", url) }
    }

    @Test func `mistakes are said before anything is asked`() throws {
        let folder = try TemporaryFolder()
        let token = folder.path + "/token"
        try "t\n".write(toFile: token, atomically: true, encoding: .utf8)
        let known = ["--url", "http://g", "--token-file", token]
        func usage(_ words: String...) -> String {
            do throws(UsageError) {
                _ = try GrafanaCommand(try Arguments(words + known, for: GrafanaCommand.help))
                return ""
            } catch { return error.description }
        }
        #expect(usage("apply", "--data-source", "x") == "")
        #expect(usage("destroy") == "")
        #expect(usage() == "holdfast grafana needs one of apply, diff and destroy")
        #expect(usage("aply").contains("needs one of"))
        #expect(usage("apply").contains("where does Grafana find the metrics"))
        #expect(usage("apply", "acme", "--data-source", "x").contains("takes no argument \"acme\""))
        #expect(usage("apply", "--data-source", "x", "--yes").contains("--yes is for"))
        #expect(usage("apply", "--data-source", "x", "--tenant-header", "X").contains("goes without --data-source"))
        #expect(usage("apply", "--data-source", "a/b").contains("is no uid"))
        #expect(usage("apply", "--data-source-url", "http://m/{tenants}").contains("only {tenant}"))
        #expect(
            usage("apply", "--data-source-url", "http://m/{tenant}", "--tenant-header", "a b").contains("is no name"))
        #expect(usage("apply", "--data-source-url", "http://m", "--data-source-user", "u").contains("go together"))
        #expect(usage("apply", "--data-source", "x", "--tenant", "A/b").contains("--tenant: "))
        #expect(usage("diff", "--data-source-url", "http://m", "--data-source-token-file", token) == "")
        #expect(Self.usage("apply", "--data-source", "x") == "where is Grafana? holdfast grafana needs --url")
    }
}
