import TestSupport

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What damage may cost at most: the points of rows that have a byte on a damaged page. Known from a sound copy, made
/// before, and from the places of the newest version of each page, in the log or in the database, that differ after.
struct DamagedPages {
    /// Where the newest version of a page is.
    private struct Home {
        var isInLog: Bool
        var range: Range<Int>
    }

    private let sound: (database: [UInt8], log: [UInt8])
    private var homes: [UInt32: Home] = [:]
    /// Sequences of each row that touches the page.
    private var rows: [UInt32: Set<Int64>] = [:]
    /// Pages of each of a base's rows, and the rows that stand on it.
    private var bases: [Int64: (copies: [Set<UInt32>], rows: Set<Int64>)] = [:]

    /// - Parameters:
    ///   - database: closed, or left behind by a kill, with its log beside it.
    ///   - copy: where the sound copy is made: SQLite folds the log into it.
    init(_ database: String, copy: String) throws {
        sound = (DamagedPages.bytes(database), DamagedPages.bytes(database + "-wal"))
        DamagedPages.write(sound.database, to: copy)
        DamagedPages.write(sound.log, to: copy + "-wal")
        let logged = try LogFrames(database + "-wal", .system).pages
        let connection = try Connection(path: copy, access: .readWrite)
        try connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        let folded = DamagedPages.bytes(copy)
        for number in 1...UInt32(max(1, folded.count / 4096)) {
            guard let page = DamagedPages.page(folded, number) else { break }
            // A frame's header vouches for its page.
            homes[number] =
                logged[number].map { Home(isInLog: true, range: Int($0) - LogFrames.frameHeaderBytes..<Int($0) + 4096) }
                ?? Home(isInLog: false, range: Int(number - 1) * 4096..<Int(number) * 4096)
            for cell in RecordCells.of(page, number: number) {
                let (payload, pages) = DamagedPages.follow(cell, page, number, in: folded)
                guard let id = cell.rowID, let columns = RecordColumns(payload, payloadBytes: cell.payloadBytes) else {
                    continue
                }
                switch SalvageTable.of(columns, hasRowID: true) {
                case .bases: bases[id, default: ([], [])].copies.append(pages)
                case .batches:
                    // More than one when it was merged.
                    let sequences = id...max(id, columns.integer(1, payload) ?? id)
                    for page in pages { rows[page, default: []].formUnion(sequences) }
                    for base in DamagedPages.bases(of: payload, columns) {
                        bases[base, default: ([], [])].rows.formUnion(sequences)
                    }
                default: break
                }
            }
        }
    }

    /// A row's payload, as far as it is there, and the pages it lies on.
    private static func follow(
        _ cell: RecordCells.Cell, _ page: [UInt8], _ number: UInt32, in folded: [UInt8]
    ) -> (payload: [UInt8], pages: Set<UInt32>) {
        var payload = Array(page[cell.local])
        var pages: Set<UInt32> = [number]
        var next = cell.overflow
        while next != 0, payload.count < cell.payloadBytes, let page = DamagedPages.page(folded, next) {
            pages.insert(next)
            payload += page[4..<4 + min(4092, cell.payloadBytes - payload.count)]
            next = RecordCells.bigEndian(page, 0)
        }
        return (payload, pages)
    }

    private static func bases(of payload: [UInt8], _ columns: RecordColumns) -> [Int64] {
        guard columns.columns[9].range.upperBound <= payload.count else { return [] }
        return payload[columns.columns[9].range].withUnsafeBytes { block in
            do throws(SpoolError) { return try BlockSections(block).bases().map(\.id) } catch { return [] }
        }
    }

    /// Sequences of rows that the damage may have cost.
    func touched(_ database: String) -> Set<Int64> {
        let now = (database: DamagedPages.bytes(database), log: DamagedPages.bytes(database + "-wal"))
        var pages: Set<UInt32> = []
        for (number, home) in homes {
            let (before, after) = home.isInLog ? (sound.log, now.log) : (sound.database, now.database)
            let isSound = home.range.upperBound <= after.count && before[home.range] == after[home.range]
            if !isSound { pages.insert(number) }
        }
        var touched: Set<Int64> = []
        for (number, sequences) in rows where pages.contains(number) { touched.formUnion(sequences) }
        // One of a base's rows is enough.
        for base in bases.values where base.copies.allSatisfy({ !$0.isDisjoint(with: pages) }) {
            touched.formUnion(base.rows)
        }
        return touched
    }

    private static func page(_ bytes: [UInt8], _ number: UInt32) -> [UInt8]? {
        let start = Int(number - 1) * 4096
        return start + 4096 <= bytes.count ? Array(bytes[start..<start + 4096]) : nil
    }

    /// None of what is no file, or longer than any that a test makes.
    private static func bytes(_ path: String) -> [UInt8] {
        do throws(FileError) { return try Files.system.disk.read(path, limit: 1 << 30) } catch { return [] }
    }

    private static func write(_ bytes: [UInt8], to path: String) {
        let file = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(file) }
        pwrite(file, bytes, bytes.count, 0)
    }
}
