import Metrics
import Testing

@testable import WALStore

/// A manifest comes from outside: what it says is checked before anything is done with it.
@Suite struct BackupManifestTests {
    static let digest = String(repeating: "ab", count: 32)
    static let life = String(repeating: "0f", count: 16)

    /// A good one, with some text of it replaced.
    private func manifest(_ old: String = "", _ new: String = "") -> [UInt8] {
        let text = """
            {"holdfast_backup":1,"made_at":"2026-01-31T23:59:59Z","node":"shop","holdfast":"0.1.0","sqlite":"3.40.1",
            "later":{"more":[1]},"tenants":[{"tenant":"acme","file":"spools/acme.db","bytes":4096,"sha256":"\(Self.digest)",
            "incarnation":"\(Self.life)","schema":1,"first_sequence":1,"last_sequence":9,"next_sequence":10,
            "reserved_before":4097,"points":90,"backends":[{"backend":"a","type":"archive","pending_points":5,
            "detached":false}]}],"missing":[{"tenant":"b","reason":"no"}]}
            """
        guard !old.isEmpty else { return Array(text.utf8) }
        precondition(text.contains(old), "the test replaces what is there")
        return Array(text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new).utf8)
    }

    @Test func `what is written is read again, and what is not known is passed over`() throws {
        let read = try BackupManifest(decoding: manifest())
        #expect(read.spools.map(\.tenant) == ["acme"] && read.missing.map(\.tenant) == ["b"])
        #expect(read.spools[0].reservedBefore == 4097)
        #expect(try BackupManifest(decoding: Array(read.json.pretty.utf8)) == read)
    }

    @Test(
        arguments: [
            ("spools/acme.db", "../acme.db"), ("spools/acme.db", "/etc/passwd"), ("spools/acme.db", "spools/../x.db"),
            ("\"acme\"", "\"../acme\""), ("\"acme\"", "\"\""), ("\"acme\"", "\"a/b\""), ("\"acme\"", "\"ACME\""),
            ("\"bytes\":4096", "\"bytes\":-1"), ("\"bytes\":4096", "\"bytes\":1e300"),
            ("\"bytes\":4096", "\"bytes\":\"1\""),
            ("\"reserved_before\":4097", "\"reserved_before\":9223372036854775807"), ("\"next_sequence\":10,", ""),
            ("\"pending_points\":5", "\"pending_points\":-5"), (BackupManifestTests.digest, "ab"),
            (BackupManifestTests.digest, String(repeating: "zz", count: 32)),
            ("\"holdfast_backup\":1", "\"holdfast_backup\":2"), ("\"holdfast_backup\":1", "\"backup\":1"),
            ("\"tenants\":[", "\"others\":["), ("{\"more\":[1]}", String(repeating: "[", count: 50)),
        ])
    func `a manifest that says what cannot be is refused`(old: String, new: String) {
        let error = #expect(throws: SpoolError.self) { try BackupManifest(decoding: manifest(old, new)) }
        #expect(error?.code == .incompatible && error?.cause != nil)
    }

    @Test func `a tenant is there once, and a manifest has a length`() throws {
        var twice = try BackupManifest(decoding: manifest())
        twice.spools += twice.spools
        #expect(throws: SpoolError.self) { try BackupManifest(decoding: Array(twice.json.rendered.utf8)) }
        // Few bytes for many values: refused before there is memory for all of them.
        let many = "{\"holdfast_backup\":1,\"tenants\":[" + String(repeating: "0,", count: 3_000_000) + "0]}"
        #expect(throws: SpoolError.self) { try BackupManifest(decoding: Array(many.utf8)) }
    }
}
