/// What is still to be carried over into a tenant's spool: a small file in its folder, from the moment files are set
/// aside until all that can be read of them has a place in the new spool. Whoever opens the spool goes on with it.
///
/// ```
/// holdfast salvage 1
/// <the new spool's incarnation, 32 hexadecimal digits>
/// spool.db.set-aside-20260131T235959Z     the newest first: its books count
/// ```
struct SalvageNote: Sendable, Equatable {
    private static let header = "holdfast salvage 1"
    /// More than so many spools of one tenant were never broken before the first of them was carried over.
    private static let maximumNames = 64

    /// Marks the new spool as the one that has the books: it is in its `incarnations` when they are.
    var incarnation: [UInt8]
    var names: [String]

    static func path(_ folder: String) -> String { folder + "/salvage" }

    /// nil when nothing is to be carried over, or the note is damaged.
    static func read(_ folder: String, _ files: Files) throws(SpoolError) -> SalvageNote? {
        guard let bytes = try files.readSmall(path(folder), limit: 64 << 10) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        guard lines.count >= 3, lines[0] == header else { return nil }
        let digits = Array(lines[1].utf8)
        let incarnation = stride(from: 0, to: digits.count & ~1, by: 2).compactMap { index in
            UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
        }
        let names = lines[2...].filter { $0.hasPrefix(SetAside.prefix) && !$0.contains("/") }
        guard incarnation.count == 16, !names.isEmpty else { return nil }
        return SalvageNote(incarnation: incarnation, names: names)
    }

    /// Puts a file before those that already wait. Durable on return.
    static func add(_ name: String, in folder: String, _ files: Files) throws(SpoolError) {
        var names = try read(folder, files)?.names ?? []
        if names.first == name { return }
        names.removeAll { $0 == name }
        names.insert(name, at: 0)
        let incarnation = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
        let lines = [header, hexadecimal(incarnation)] + names.prefix(maximumNames)
        try files.replace(path(folder), with: Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    static func remove(_ folder: String, _ files: Files) throws(SpoolError) {
        if try files.exists(path(folder)) { try files.remove(path(folder)) }
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
