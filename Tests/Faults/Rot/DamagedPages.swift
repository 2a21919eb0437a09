import TestSupport

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What damage in the pages of a database may cost at most: the points of rows that have a byte on a damaged page. Known
/// from a sound copy, made before, and from the pages that differ after.
struct DamagedPages {
    private let sound: [UInt8]
    /// First sequence of each row that touches the page.
    private var rows: [UInt32: Set<Int64>] = [:]

    /// - Parameters:
    ///   - database: closed, or left behind by a kill, with its log beside it.
    ///   - copy: where the sound copy is made: SQLite folds the log into it.
    init(_ database: String, copy: String) throws {
        sound = DamagedPages.bytes(database)
        for part in ["", "-wal"] { DamagedPages.write(DamagedPages.bytes(database + part), to: copy + part) }
        let connection = try Connection(path: copy, access: .readWrite)
        try connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        let folded = DamagedPages.bytes(copy)
        for number in 1...UInt32(max(1, folded.count / 4096)) {
            guard let page = DamagedPages.page(folded, number) else { break }
            for cell in RecordCells.of(page, number: number) {
                guard let sequence = cell.rowID else { continue }
                var (next, left) = (cell.overflow, cell.payloadBytes - cell.local.count)
                rows[number, default: []].insert(sequence)
                while next != 0, left > 0, let page = DamagedPages.page(folded, next) {
                    rows[next, default: []].insert(sequence)
                    next = RecordCells.bigEndian(page, 0)
                    left -= 4092
                }
            }
        }
    }

    /// Sequences of rows that the damage may have cost. Row ids of other tables are among them, and sequences of pages
    /// whose newest version is in the log: more than it can be, never less.
    func touched(_ database: String) -> Set<Int64> {
        let now = DamagedPages.bytes(database)
        var touched: Set<Int64> = []
        for (number, sequences) in rows
        where DamagedPages.page(sound, number) != DamagedPages.page(now, number) { touched.formUnion(sequences) }
        return touched
    }

    private static func page(_ bytes: [UInt8], _ number: UInt32) -> [UInt8]? {
        let start = Int(number - 1) * 4096
        return start + 4096 <= bytes.count ? Array(bytes[start..<start + 4096]) : nil
    }

    private static func bytes(_ path: String) -> [UInt8] {
        do throws(FileError) { return try Files.system.disk.read(path, limit: 1 << 30) } catch { return [] }
    }

    private static func write(_ bytes: [UInt8], to path: String) {
        let file = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(file) }
        pwrite(file, bytes, bytes.count, 0)
    }
}
