/// The pages of a database that was set aside, each in its newest version: of the log where it has one, else of the
/// file. Read by plain calls, which is right only for files no SQLite handle of this process is open on.
///
/// Belongs to one thread at a time; memory: 12 bytes for each page in the log.
final class DatabasePages {
    static let pageBytes = 4096
    /// The page at the lock byte is never used. <https://sqlite.org/fileformat2.html#the_lock_byte_page>
    private static let lockPage: UInt32 = 0x4000_0000 / UInt32(pageBytes) + 1
    /// A pointer map page speaks of so many pages behind it. <https://sqlite.org/fileformat2.html#pointer_map_pages>
    static let mappedPages = UInt32(pageBytes / 5)

    private let file: (any OpenedFile)?
    private let log: (any OpenedFile)?
    private let frames: LogFrames
    let usesLog: Bool
    /// The highest page there is.
    let count: UInt32
    /// The disk failed a read since somebody asked: what was taken for no page may be one.
    private var hasFailed = false

    /// - Parameter usesLog: false reads the file as it is, without the log beside it.
    /// - Throws: `.unavailable` when the files cannot be read. A file that is not there has no pages.
    init(_ path: String, _ files: Files, usesLog: Bool = true) throws(SpoolError) {
        self.usesLog = usesLog
        frames = usesLog ? try LogFrames(path + "-wal", files) : LogFrames()
        do throws(FileError) {
            file = try files.disk.open(path)
            log = usesLog ? try files.disk.open(path + "-wal") : nil
        } catch {
            throw Files.failure("read", path, error)
        }
        let size = file?.count ?? 0
        let pagesOfFile = (size + Int64(DatabasePages.pageBytes) - 1) / Int64(DatabasePages.pageBytes)
        count = max(UInt32(clamping: pagesOfFile), frames.pages.keys.max().map { min($0, 1 << 30) } ?? 0)
    }

    var logPages: Int { frames.pages.count }

    /// The page's bytes into `buffer`; what a file that was cut no longer has is zero.
    ///
    /// - Returns: false when there is no such page, or the disk does not give it.
    func read(_ page: UInt32, into buffer: inout [UInt8]) -> Bool {
        guard page >= 1, page <= count, page != DatabasePages.lockPage else { return false }
        let size = DatabasePages.pageBytes
        let (source, offset) =
            frames.pages[page].map { (log, $0) } ?? (file, Int64(page - 1) * Int64(size))
        guard let source else { return false }
        if buffer.count != size { buffer = [UInt8](repeating: 0, count: size) }
        let filled: Int
        do throws(FileError) {
            filled = try Files.patiently { () throws(FileError) in try source.read(at: offset, into: &buffer, from: 0) }
        } catch {
            hasFailed = true
            return false
        }
        guard filled > 0 else { return false }
        for index in filled..<size { buffer[index] = 0 }
        return true
    }

    func takeFailure() -> Bool {
        defer { hasFailed = false }
        return hasFailed
    }

    static func isPointerMap(_ page: UInt32) -> Bool { page >= 2 && (page - 2) % (mappedPages + 1) == 0 }
    static func pointerMap(of page: UInt32) -> UInt32 { (page - 2) / (mappedPages + 1) * (mappedPages + 1) + 2 }
}

extension LogFrames {
    /// No log.
    init() {}
}
