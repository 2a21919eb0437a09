import TestSupport
import Testing
import WALStore

@testable import Daemon

#if canImport(Glibc)
    import Glibc
#endif

/// The key of the chains: named in the config, kept in a file, and no reason not to start.
@Suite struct ChainSectionTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private var path: String { folder.path + "/chain.key" }
    private var chain: String { "chain: { key_file: \"\(path)\" }\n" }

    @Test func `with a key every tenant keeps a chain, but for those that say no`() throws {
        let key = ChainKey.random()
        try ChainKeyFile.make(path, key)
        let text = chain + ConfigurationTests.backend + "tenants: { one: {}, two: { chain: false } }\n"
        let configuration = try ConfigurationTests.parse(text)
        #expect(configuration.chain.key == key && configuration.warnings.allSatisfy { !$0.contains("chain") })
        let spools = Dictionary(uniqueKeysWithValues: configuration.spools.map { ($0.tenant, $0.chain) })
        #expect(spools == ["one": key, "two": nil])
    }

    @Test func `a key that cannot be read is a warning, and the node runs without it`() throws {
        let configuration = try ConfigurationTests.parse(chain + ConfigurationTests.backend)
        #expect(configuration.chain.key == nil && configuration.spools.allSatisfy { $0.chain == nil })
        #expect(configuration.warnings.contains { $0.hasPrefix("chain.key_file: \(path)") })
    }

    @Test func `the file that remembers chains can be elsewhere than in the data folder`() throws {
        let text = "chain: { memory_file: /var/lib/chains }\n" + ConfigurationTests.backend
        #expect(try ConfigurationTests.parse(text).node.chainMemoryFile == "/var/lib/chains")
        #expect(throws: ConfigurationError.self) {
            try ConfigurationTests.parse("chain: { memory_file: chains }\n" + ConfigurationTests.backend)
        }
    }

    @Test func `a key's file is its owner's alone, and one that is there is not written over`() throws {
        let key = ChainKey.random()
        try ChainKeyFile.make(path, key)
        #expect(ChainKeyFile.openTo(path) == nil)
        #expect(throws: ChainKeyFile.Failure.self) { try ChainKeyFile.make(path, .random()) }
        #expect(try ChainKeyFile.read(path) == key)
        chmod(path, 0o640)
        #expect(ChainKeyFile.openTo(path) == "its group")
    }
}

extension ChainSectionTests {
    private func anchor(_ text: String) throws -> AnchorSection? {
        let chain = "chain: { key_file: /etc/none, anchor: \(text) }\n"
        return try ConfigurationTests.parse(chain + ConfigurationTests.backend).chain.anchor
    }

    @Test func `anchors go out each hour unless said otherwise, and not at all when nothing is said`() throws {
        let chain = "chain: { key_file: /etc/none }\n"
        #expect(try ConfigurationTests.parse(chain + ConfigurationTests.backend).chain.anchor == nil)
        #expect(try anchor("{}")?.interval == .seconds(3600))
        let said = try anchor("{ interval: 10m, labels: { site: harbour } }")
        #expect(said?.interval == .seconds(600))
        #expect(said?.labels == [AnchorSection.Label(name: "site", value: "harbour")])
    }

    @Test(arguments: [
        "{ interval: 9m }", "{ interval: 31d }", "{ every: 1h }", "{ labels: { tenant: a } }",
        "{ labels: { word: a } }",
        "{ labels: { life: a } }", "{ labels: { __name__: a } }", "{ labels: [a] }",
        "{ labels: { \((0..<17).map { "l\($0): x" }.joined(separator: ", ")) } }",
    ])
    func `an anchor that is made too often, or has another one's labels, is refused`(_ text: String) {
        #expect(throws: ConfigurationError.self) { try anchor(text) }
    }

    @Test func `anchors without a key are refused`() {
        #expect(throws: ConfigurationError.self) {
            try ConfigurationTests.parse("chain: { anchor: {} }\n" + ConfigurationTests.backend)
        }
    }
}
