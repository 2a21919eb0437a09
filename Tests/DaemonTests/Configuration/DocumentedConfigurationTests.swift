import Testing
import WALStore

@testable import Daemon

/// `docs/configuration.md` is the reference, so the real parser reads it.
@Suite struct DocumentedConfigurationTests {
    private static func blocks() throws -> [String] {
        let suffix = "Tests/DaemonTests/Configuration/DocumentedConfigurationTests.swift"
        let root = String(#filePath.dropLast(suffix.count))
        let bytes = try SystemFile.read(root + "docs/configuration.md", limit: 1 << 20)
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: "```", omittingEmptySubsequences: false)
        return parts.filter { $0.hasPrefix("yaml\n") }.map { String($0.dropFirst(5)) }
    }

    /// The secrets that a block names, as if they were there.
    private static func secrets(of block: String) -> [String: String] {
        let words = block.split { " \n\"[]{},".contains($0) }.filter { $0.hasPrefix("file:/") || $0.hasPrefix("env:") }
        return Dictionary(words.map { (String($0), "secret") }) { first, _ in first }
    }

    @Test func `every YAML block of the reference is a valid config`() throws {
        let blocks = try Self.blocks()
        #expect(blocks.count >= 2)
        for block in blocks { _ = try ConfigurationTests.parse(block, secrets: Self.secrets(of: block)) }
    }

    @Test func `the defaults that the reference names are the defaults`() throws {
        let documented = try ConfigurationTests.parse(try #require(try Self.blocks().last))
        let built = try ConfigurationTests.parse(ConfigurationTests.backend)
        #expect(documented.server.limits == built.server.limits)
        #expect(documented.server.timeouts == built.server.timeouts)
        #expect(documented.server.listen == built.server.listen)
        #expect(documented.log == built.log)
        #expect(documented.node.openSpools == built.node.openSpools)
        #expect(documented.tenants[0].retain == built.tenants[0].retain)
        #expect(documented.tenants[0].deadLetterBytes == built.tenants[0].deadLetterBytes)
    }
}
