import Foundation
import TestSupport
import Testing

@testable import Daemon

/// What is allowed and probably not meant is said by `check` and `run`.
@Suite struct ConfigurationWarningTests {
    private func warnings(_ text: String, _ words: String) throws -> [String] {
        try ConfigurationTests.parse(text).warnings.filter { $0.contains(words) }
    }

    private func sending(to url: String, listen: String) -> String {
        """
        server: { listen: "\(listen)" }
        backends:
          loop: { type: prometheus_remote_write, url: "\(url)" }
        tenants: { acme: { credentials: { tokens: ["env:T"] } } }
        """
    }

    @Test(arguments: [
        ("http://127.0.0.1:9071/api/v1/write", "127.0.0.1:9071"), ("http://localhost:9071/write", "127.0.0.1:9071"),
        ("http://[::1]:9071/api/v1/json", "127.0.0.1:9071"), ("http://LOCALHOST:9071?x=1", "[::1]:9071"),
        ("http://127.0.0.1:9071", "0.0.0.0:9071"), ("http://10.1.2.3:9071/x", "10.1.2.3:9071"),
        ("http://127.0.0.1/x", "127.0.0.1:80"),
    ])
    func `a backend that is this node is warned of`(url: String, listen: String) throws {
        let text = sending(to: url, listen: listen)
        let found = try ConfigurationTests.parse(text, secrets: ["env:T": "t"]).warnings
        #expect(found.contains { $0.hasPrefix("backend loop sends to this node itself (\(url) is server.listen)") })
    }

    @Test(arguments: [
        ("http://127.0.0.1:9072/x", "127.0.0.1:9071"), ("http://10.1.2.4:9071/x", "10.1.2.3:9071"),
        ("http://localhost:9071/x", "10.1.2.3:9071"), ("https://127.0.0.1:9071/x", "127.0.0.1:9071"),
        ("http://127.0.0.1.example:80/x", "127.0.0.1:9071"),
    ])
    func `a backend that is another server is not`(url: String, listen: String) throws {
        let text = sending(to: url, listen: listen)
        let found = try ConfigurationTests.parse(text, secrets: ["env:T": "t"]).warnings
        #expect(!found.contains { $0.contains("this node itself") }, "\(found)")
    }

    @Test func `a program that is not there, or cannot be run, is warned of`() throws {
        let folder = try TemporaryFolder()
        let program = folder.path + "/program"
        func text(_ path: String) -> String { "backends: { own: { type: exec, command: [\(path), x] } }\n" }
        let gone = try warnings(text(program), "backends.own.command")
        #expect(gone.count == 1 && gone[0].contains("\(program): No such file or directory"), "\(gone)")
        try "#!/bin/sh\n".write(toFile: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: program)
        #expect(try warnings(text(program), "is not executable").count == 1)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        #expect(try warnings(text(program), "backends.own.command") == [])
        #expect(try warnings(text(folder.path), "is no file").count == 1)
    }

    @Test func `two sessions of one name at one broker are warned of`() throws {
        func text(_ other: String, _ url: String) -> String {
            """
            backends:
              one: { type: mqtt, url: "mqtt://127.0.0.1:1883", client_id: shop, topic: a }
              two: { type: mqtt, url: "\(url)", client_id: \(other), topic: b }
            """
        }
        let found = try warnings(text("shop", "mqtt://127.0.0.1:1883"), "client_id")
        #expect(found.count == 1 && found[0].hasPrefix("backends one and two have one client_id (shop)"), "\(found)")
        #expect(try warnings(text("store", "mqtt://127.0.0.1:1883"), "client_id") == [])
        #expect(try warnings(text("shop", "mqtt://127.0.0.1:1884"), "client_id") == [])
    }

    @Test func `a data folder whose socket has too long a name is warned of`() throws {
        let long = "/" + String(repeating: "d", count: 100)
        let found = try warnings("data_dir: \(long)\n", "server.admin")
        #expect(found.count == 1 && found[0].contains("112 bytes, 107 at most"), "\(found)")
        #expect(try warnings("data_dir: \(long)\nserver: { admin: \"unix:/run/h.sock\" }\n", "server.admin") == [])
        do throws(HTTPServerError) {
            _ = try ListenAddress.unix(path: long + "/admin.sock").listen()
            Issue.record("it listens where nobody can ask")
        } catch {
            #expect(error.description.contains("too long for a socket"), "\(error)")
            #expect(error.description.contains("set server.admin"), "\(error)")
        }
    }

    @Test func `relabeling under Prometheus' name is told where it belongs`() {
        let found = ConfigurationTests.error(
            "backends:\n  a:\n    type: archive\n    write_relabel_configs:\n      - action: drop\n")
        #expect(found.hasPrefix("holdfast.yaml:4: backends.a.write_relabel_configs: "), "\(found)")
        #expect(found.contains("route: { relabel:"), "\(found)")
    }
}
