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
    /// What the file said cannot be read: all that was set aside here is named, under an id that no spool has. The spool
    /// itself knows whether it has the books (`Spool.confirmed(_:)`).
    var isGuess = false

    static func path(_ folder: String) -> String { folder + "/salvage" }

    /// nil when nothing is to be carried over. A note that is damaged says at least that something is.
    static func read(_ folder: String, _ files: Files) throws(SpoolError) -> SalvageNote? {
        guard let bytes = try files.read(path(folder), limit: 64 << 10, longer: []) else { return nil }
        return parse(bytes) ?? SalvageNote(incarnation: freshID(), names: namesLeft(in: folder, files), isGuess: true)
    }

    private static func parse(_ bytes: [UInt8]) -> SalvageNote? {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        guard lines.count >= 3, lines[0] == header else { return nil }
        let digits = Array(lines[1].utf8)
        let incarnation = stride(from: 0, to: digits.count & ~1, by: 2).compactMap { index in
            UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
        }
        let names = SalvageNote.names(lines[2...])
        guard incarnation.count == 16, !names.isEmpty else { return nil }
        return SalvageNote(incarnation: incarnation, names: names)
    }

    /// Those that are names of files that were set aside.
    static func names<Found: Sequence>(_ found: Found) -> [String] where Found.Element: StringProtocol {
        found.map { String($0) }.filter { $0.hasPrefix(SetAside.prefix) && !$0.contains("/") }
    }

    /// What was set aside in the folder, the newest first: of the present spool's lives, so not from before a restore.
    private static func namesLeft(in folder: String, _ files: Files) -> [String] {
        let all = files.names(in: folder)
        let former = "spool.db" + RestoreSwap.infix
        let replaced = all.filter { $0.hasPrefix(former) }.map { String($0.dropFirst(former.count)) }.max() ?? ""
        let names = all.filter { $0.hasPrefix(SetAside.prefix) }.map { name in
            name.hasSuffix("-wal") || name.hasSuffix("-shm") ? String(name.dropLast(4)) : name
        }
        return Set(names).filter { String($0.dropFirst(SetAside.prefix.count)) > replaced }.sorted(by: >)
    }

    private static func freshID() -> [UInt8] { (0..<16).map { _ in UInt8.random(in: .min ... .max) } }

    /// Puts a file before those that already wait. Durable on return.
    static func add(_ name: String, in folder: String, _ files: Files) throws(SpoolError) {
        var names = try read(folder, files)?.names ?? []
        if names.first == name { return }
        names.removeAll { $0 == name }
        names.insert(name, at: 0)
        try SalvageNote(incarnation: freshID(), names: names).write(folder, files)
    }

    /// Durable on return.
    func write(_ folder: String, _ files: Files) throws(SpoolError) {
        let lines = [SalvageNote.header, SalvageNote.hexadecimal(incarnation)] + names.prefix(SalvageNote.maximumNames)
        try files.replace(SalvageNote.path(folder), with: Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    static func remove(_ folder: String, _ files: Files) throws(SpoolError) {
        if try files.exists(path(folder)) { try files.remove(path(folder)) }
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
