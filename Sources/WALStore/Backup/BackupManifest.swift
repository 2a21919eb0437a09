import Metrics

/// What a backup says of itself, in `manifest.json`. It comes last: a folder without one is no backup.
///
/// ```
/// {
///   "holdfast_backup": 1, "made_at": "2026-01-31T23:59:59Z", "node": "shop-17", "holdfast": "0.1.0", "sqlite": "3.40.1",
///   "tenants": [{
///     "tenant": "acme", "file": "spools/acme.db", "bytes": 4096, "sha256": "…", "incarnation": "…", "schema": 1,
///     "first_sequence": 1, "last_sequence": 9, "next_sequence": 10, "reserved_before": 4097, "points": 90,
///     "backends": [{ "backend": "central", "type": "influxdb", "pending_points": 10, "detached": false }]
///   }],
///   "missing": [{ "tenant": "other", "reason": "…" }]
/// }
/// ```
///
/// Members it does not know are passed over, so that a later version may add some; another number of `holdfast_backup`
/// is refused. It comes from outside, so nothing in it is believed: names are those that its tenants must have, and files
/// are compared with it before any of them is used.
public struct BackupManifest: Sendable, Equatable {
    public static let name = "manifest.json"
    static let version: Int64 = 1
    /// Of the file: 50,000 tenants take less.
    static let maximumBytes = 32 << 20
    private static let maximumTenants = 100_000
    private static let maximumValues = 2_000_000
    /// No spool gets there: a number beyond is a lie that would leave no sequence for what comes.
    fileprivate static let maximumSequence: Int64 = 1 << 62

    /// One copied spool.
    public struct Spool: Sendable, Equatable {
        public var books: SpoolBooks
        public var bytes: Int64
        /// Of the file, 64 hexadecimal digits.
        public var sha256: String
        /// No sequence from here on was ever given, also in no commit that the copy has not: reserved outside the file.
        public var reservedBefore: Int64

        public var tenant: String { books.tenant }
        /// In the backup's folder.
        public var file: String { BackupManifest.file(of: books.tenant) }
    }

    /// A tenant that was asked for and is not in the backup.
    public struct Missing: Sendable, Equatable {
        public var tenant: String
        public var reason: String
    }

    /// RFC 3339, UTC.
    public var madeAt: String
    /// The host's name.
    public var node: String
    public var programVersion: String
    public var engineVersion: String
    /// In the order of their names.
    public var spools: [Spool] = []
    public var missing: [Missing] = []

    static func file(of tenant: String) -> String { "spools/\(tenant).db" }

    // MARK: Writing

    public var json: JSONValue {
        .map([
            "holdfast_backup": .int(BackupManifest.version), "made_at": .string(madeAt), "node": .string(node),
            "holdfast": .string(programVersion), "sqlite": .string(engineVersion),
            "tenants": .array(spools.map(\.json)), "missing": .array(missing.map(\.json)),
        ])
    }

    // MARK: Reading

    /// - Throws: `.incompatible` for what is no manifest, is another version's, or says what cannot be.
    init(decoding bytes: [UInt8]) throws(SpoolError) {
        let document: JSONValue
        do throws(WireError) {
            document = try JSONValue.parse(bytes, depth: 8, values: BackupManifest.maximumValues)
        } catch {
            throw BackupManifest.fault("it is no JSON: \(error.message)")
        }
        guard let version = document["holdfast_backup"]?.int else {
            throw BackupManifest.fault("it does not say \"holdfast_backup\"")
        }
        guard version == BackupManifest.version else {
            throw BackupManifest.fault(
                "it has version \(version), this program reads \(BackupManifest.version): use a later one")
        }
        madeAt = document["made_at"]?.string ?? ""
        node = document["node"]?.string ?? ""
        programVersion = document["holdfast"]?.string ?? ""
        engineVersion = document["sqlite"]?.string ?? ""
        guard let tenants = document["tenants"]?.array, tenants.count <= BackupManifest.maximumTenants else {
            throw BackupManifest.fault("it has no list of tenants, or one that is too long")
        }
        var known: Set<String> = []
        for entry in tenants {
            let spool = try Spool(entry)
            guard known.insert(spool.tenant).inserted else {
                throw BackupManifest.fault("tenant \(spool.tenant) is there twice")
            }
            spools.append(spool)
        }
        for entry in document["missing"]?.array ?? [] {
            guard let tenant = entry["tenant"]?.string, let reason = entry["reason"]?.string else {
                throw BackupManifest.fault("a missing tenant has no name, or no reason")
            }
            missing.append(Missing(tenant: tenant, reason: reason))
        }
    }

    init(madeAt: String, node: String, programVersion: String, engineVersion: String) {
        self.madeAt = madeAt
        self.node = node
        self.programVersion = programVersion
        self.engineVersion = engineVersion
    }

    fileprivate static func fault(_ what: String) -> SpoolError {
        SpoolError(.incompatible, "\(name) is not the manifest of a backup", cause: what)
    }
}

extension BackupManifest.Spool {
    fileprivate var json: JSONValue {
        .map([
            "tenant": .string(tenant), "file": .string(file), "bytes": .int(bytes), "sha256": .string(sha256),
            "incarnation": .string(books.incarnation), "schema": .int(books.schemaVersion),
            "first_sequence": .int(books.firstSequence), "last_sequence": .int(books.lastSequence),
            "next_sequence": .int(books.nextSequence), "reserved_before": .int(reservedBefore),
            "points": .int(books.points), "backends": .array(books.backends.map(\.json)),
        ])
    }

    fileprivate init(_ entry: JSONValue) throws(SpoolError) {
        let tenant = entry["tenant"]?.string ?? ""
        do throws(SpoolError) { try TenantID.check(tenant) } catch {
            throw BackupManifest.fault(error.message)
        }
        guard entry["file"]?.string == BackupManifest.file(of: tenant) else {
            throw BackupManifest.fault("the file of tenant \(tenant) must be \(BackupManifest.file(of: tenant))")
        }
        func number(_ key: String, from least: Int64) throws(SpoolError) -> Int64 {
            guard let value = entry[key]?.int, (least...BackupManifest.maximumSequence).contains(value) else {
                throw BackupManifest.fault("tenant \(tenant) has no \(key) that can be")
            }
            return value
        }
        func digits(_ key: String, _ count: Int) throws(SpoolError) -> String {
            guard let text = entry[key]?.string, text.utf8.count == count,
                text.utf8.allSatisfy({ $0.isHexadecimalDigit })
            else { throw BackupManifest.fault("tenant \(tenant) has no \(key) of \(count) hexadecimal digits") }
            return text
        }
        bytes = try number("bytes", from: 1)
        sha256 = try digits("sha256", SHA256.bytes * 2)
        reservedBefore = try number("reserved_before", from: 1)
        books = SpoolBooks(
            tenant: tenant, incarnation: try digits("incarnation", 32), schemaVersion: try number("schema", from: 1),
            firstSequence: try number("first_sequence", from: 0), lastSequence: try number("last_sequence", from: 0),
            nextSequence: try number("next_sequence", from: 1), points: try number("points", from: 0), backends: [])
        for backend in entry["backends"]?.array ?? [] {
            guard let name = backend["backend"]?.string, let type = backend["type"]?.string,
                let pending = backend["pending_points"]?.int, pending >= 0,
                let isDetached = backend["detached"]?.bool
            else { throw BackupManifest.fault("a backend of tenant \(tenant) is not described whole") }
            books.backends.append(
                SpoolBooks.Backend(name: name, type: type, pendingPoints: pending, isDetached: isDetached))
        }
    }
}

extension SpoolBooks.Backend {
    fileprivate var json: JSONValue {
        .map([
            "backend": .string(name), "type": .string(type), "pending_points": .int(pendingPoints),
            "detached": .bool(isDetached),
        ])
    }
}

extension BackupManifest.Missing {
    fileprivate var json: JSONValue { .map(["tenant": .string(tenant), "reason": .string(reason)]) }
}

extension UInt8 {
    /// Lower case only: as they are written.
    fileprivate var isHexadecimalDigit: Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self)
    }
}
