/// A backup that is there: its manifest, and whether its files are what that says. Nothing is written.
public struct BackupReader: Sendable {
    public let directory: String
    public let manifest: BackupManifest
    let files: Files

    public init(_ directory: String) throws(SpoolError) { try self.init(directory, on: .system) }

    /// - Throws: `.incompatible` for a manifest that is none of ours; `.unavailable` without one.
    init(_ directory: String, on files: Files) throws(SpoolError) {
        self.directory = directory
        self.files = files
        let path = "\(directory)/\(BackupManifest.name)"
        guard try files.status(path)?.isFile == true else {
            let isPartial = directory.hasSuffix(BackupFolder.suffix)
            throw SpoolError(
                .unavailable,
                "\(directory) is no backup: it has no \(BackupManifest.name)"
                    + (isPartial ? "; the backup that was made there did not end" : ""))
        }
        guard let bytes = try files.read(path, limit: BackupManifest.maximumBytes) else {
            throw SpoolError(.unavailable, "\(path) is gone")
        }
        manifest = try BackupManifest(decoding: bytes)
    }

    func path(of spool: BackupManifest.Spool) -> String { "\(directory)/\(spool.file)" }

    /// Whether a spool's file is the one that was copied: as long, with the same digest, sound in every page, of a schema
    /// that this program knows, and with the books that the manifest has.
    ///
    /// - Throws: what is wrong with it.
    public func verify(_ spool: BackupManifest.Spool) throws(SpoolError) {
        let path = path(of: spool)
        guard let status = try files.status(path), status.isFile else {
            throw SpoolError(.unavailable, "\(path) is not there, or no file")
        }
        guard status.bytes == spool.bytes else {
            throw SpoolError(.unreadable, "\(path) has \(status.bytes) bytes, not \(spool.bytes)")
        }
        try check(try FileDigest.read(path, on: files), of: spool)
        let vfs = files.disk.vfs
        let books = try SpoolBooks.read(path, vfs: vfs)
        if let damage = try SpoolBooks.damage(path, vfs: vfs) {
            throw SpoolError(.unreadable, "\(path) is damaged, and was when it was copied", cause: damage)
        }
        guard books == spool.books else {
            throw SpoolError(.unreadable, "\(path) is another spool than the one that \(BackupManifest.name) speaks of")
        }
    }

    /// - Throws: `.unreadable` when what was read is not what was copied.
    func check(_ digest: FileDigest, of spool: BackupManifest.Spool) throws(SpoolError) {
        guard digest != FileDigest(bytes: spool.bytes, sha256: spool.sha256) else { return }
        throw SpoolError(
            .unreadable,
            "\(path(of: spool)) is not what was copied: its SHA-256 is \(digest.sha256), not \(spool.sha256)")
    }
}
