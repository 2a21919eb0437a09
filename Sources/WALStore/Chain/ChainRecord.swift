/// That a tenant's spool has a chain, as the node remembers it outside of the spool.
struct ChainRecord: Sendable, Hashable {
    var tenant: String
    /// When it was remembered: wall clock, nanoseconds.
    var wall: Int64
    /// Links that the chain had when the node found it without remembering it; 0 where the node had begun it, or had put the
    /// spool in its place itself.
    var foundLength: Int64

    /// Of a spool without its chain.
    static let meaning = "it was taken off, or another spool was put in its place"
}

/// All that a node remembers of its chains, as a file: whoever can write the data folder can take a chain off a spool, and
/// what is left looks like a spool that never had one.
///
/// A line of title with the number of the key, then a line for each tenant with a code over it and the code before it. Lines
/// are only ever added, so that none can be altered, left out or put elsewhere: only the last ones can be cut off.
struct ChainRecords: Sendable {
    private static let title = "holdfast chains 1 "
    /// Of a file: more than 100,000 tenants.
    static let maximumBytes = 32 << 20
    private static let codeDigits = 32

    private(set) var byTenant: [String: ChainRecord] = [:]
    /// In the order of the file.
    private var lines: [ChainRecord] = []
    private var end = ChainDigest.zero
    private let key: ChainKey
    private let code: ChainMAC

    init(_ key: ChainKey) {
        self.key = key
        code = key.lastingCode("memory")
    }

    /// What a file comes to.
    enum Reading: Sendable {
        /// - Parameter isTorn: the last line was not written whole, as a crash leaves it.
        case records(ChainRecords, isTorn: Bool)
        /// The chains that it remembers were made with another key.
        case otherKey
        /// A line is not as the node wrote it.
        case altered
    }

    static func read(_ bytes: [UInt8], _ key: ChainKey) -> Reading {
        let text = String(decoding: bytes, as: UTF8.self)
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let isTorn = lines.popLast().map { !$0.isEmpty } ?? true
        guard let first = lines.first else { return .records(ChainRecords(key), isTorn: true) }
        guard first.hasPrefix(title) else { return .altered }
        guard first.dropFirst(title.count) == String(key.number, radix: 16) else { return .otherKey }
        var records = ChainRecords(key)
        for line in lines.dropFirst() {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 4, let wall = Int64(words[1]), let length = Int64(words[2]) else { return .altered }
            let added = records.add(ChainRecord(tenant: String(words[0]), wall: wall, foundLength: length))
            guard added == line else { return .altered }
        }
        return .records(records, isTorn: isTorn)
    }

    /// What is said of a record that comes behind all others, and the code over it.
    private func next(_ record: ChainRecord) -> (text: String, code: ChainDigest) {
        let text = "\(record.tenant) \(record.wall) \(record.foundLength)"
        var input = code.begin()
        input.add(end)
        Array(text.utf8).withUnsafeBytes { input.add($0) }
        return (text, input.end())
    }

    /// - Returns: its line, without its end.
    @discardableResult
    mutating func add(_ record: ChainRecord) -> String {
        let (text, code) = next(record)
        end = code
        lines.append(record)
        byTenant[record.tenant] = byTenant[record.tenant] ?? record
        return ChainRecords.line(text, code)
    }

    private static func line(_ text: String, _ code: ChainDigest) -> String {
        "\(text) \(code.text.prefix(codeDigits))"
    }

    /// What adding it adds to the file.
    func line(of record: ChainRecord) -> [UInt8] {
        let (text, code) = next(record)
        return Array("\(ChainRecords.line(text, code))\n".utf8)
    }

    /// The whole file.
    var bytes: [UInt8] {
        var copy = ChainRecords(key)
        var text = "\(ChainRecords.title)\(String(key.number, radix: 16))\n"
        for record in lines { text += "\(copy.add(record))\n" }
        return Array(text.utf8)
    }
}

extension ChainKey {
    /// For what is of the node and not of a tenant.
    fileprivate func lastingCode(_ purpose: String) -> ChainMAC {
        ChainMAC(key: ChainMAC(key: lasting).digest(Array("holdfast chain\0\(purpose)\0".utf8)).array)
    }

    /// Tells keys apart, and is the same in all epochs of one. It says nothing of the secrets.
    var number: UInt64 { lastingCode("number").digest([]).half.0 }
}
