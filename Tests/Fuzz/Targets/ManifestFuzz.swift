import Metrics

@testable import WALStore

extension FuzzTarget {
    /// The manifest of a backup: what is taken names no file but its tenant's own, and is written as it was read.
    static let backupManifest = FuzzTarget("backup_manifest", seeds: { ManifestSeeds.all }) { bytes in
        let manifest: BackupManifest
        do throws(SpoolError) { manifest = try BackupManifest(decoding: Array(bytes)) } catch {
            try require(error.code == .incompatible, "a manifest that is refused is no manifest")
            return
        }
        for spool in manifest.spools {
            do throws(SpoolError) { try TenantID.check(spool.tenant) } catch {
                throw FuzzFinding("a tenant's name is taken that is none: \(error)")
            }
            try require(spool.file == "spools/\(spool.tenant).db", "\(spool.file) lies in the backup")
            try require(spool.bytes > 0 && spool.reservedBefore > 0, "numbers are what they can be")
        }
        try require(
            (try? BackupManifest(decoding: Array(manifest.json.rendered.utf8))) == manifest,
            "a manifest gives back what it was made of")
    }
}

private enum ManifestSeeds {
    static let all: [[UInt8]] = {
        let empty = BackupManifest(madeAt: "2026-01-31T23:59:59Z", node: "n", programVersion: "1", engineVersion: "3")
        var full = empty
        var books = SpoolBooks(
            tenant: "acme", incarnation: String(repeating: "0", count: 32), schemaVersion: 1, firstSequence: 1,
            lastSequence: 2, nextSequence: 3, points: 4, backends: [])
        books.backends = [SpoolBooks.Backend(name: "a", type: "archive", pendingPoints: 1, isDetached: false)]
        full.spools = [
            BackupManifest.Spool(
                books: books, bytes: 4096, sha256: String(repeating: "0", count: 64), reservedBefore: 4097)
        ]
        full.missing = [BackupManifest.Missing(tenant: "b", reason: "r")]
        return [empty, full].flatMap { [Array($0.json.rendered.utf8), Array($0.json.pretty.utf8)] }
    }()
}
