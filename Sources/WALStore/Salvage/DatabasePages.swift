/// The pages of a database that was set aside, each in its newest version: of the log where it has one, else of the
/// file. Read by plain calls, which is right only for files no SQLite handle of this process is open on.
///
/// A file may be far longer than it takes of the disk: holes are passed over, and cost nothing.
///
/// Belongs to one thread at a time; memory: 16 bytes for each page in the log.
final class DatabasePages {
    static let pageBytes = 4096
    /// <https://sqlite.org/limits.html>, "Maximum Number Of Pages In A Database File"
    private static let lastPage: UInt32 = .max - 1
    /// The page at the lock byte is never used. <https://sqlite.org/fileformat2.html#the_lock_byte_page>
    private static let lockPage: UInt32 = 0x4000_0000 / UInt32(pageBytes) + 1
    /// A pointer map page speaks of so many pages behind it. <https://sqlite.org/fileformat2.html#pointer_map_pages>
    static let mappedPages = UInt32(pageBytes / 5)

    private let file: (any OpenedFile)?
    private let log: (any OpenedFile)?
    private let frames: LogFrames
    /// Pages in the log, in order.
    private let logged: [UInt32]
    /// Where `next` found bytes last.
    private var extent: Range<Int64> = 0..<0
    let usesLog: Bool
    /// The highest page there is.
    let count: UInt32
    /// The disk failed a read since somebody asked: what was taken for no page may be one.
    private var hasFailed = false

    /// - Parameter usesLog: false reads the file as it is, without the log beside it.
    /// - Throws: `.unavailable` when the files cannot be read. A file that is not there has no pages.
    init(_ path: String, _ files: Files, usesLog: Bool = true) throws(SpoolError) {
        self.usesLog = usesLog
        let logPath = DatabasePages.log(of: path, files)
        frames = usesLog ? try LogFrames(logPath, files) : LogFrames()
        logged = frames.pages.keys.sorted()
        do throws(FileError) {
            file = try files.disk.open(path)
            log = usesLog ? try files.disk.open(logPath) : nil
        } catch {
            throw Files.failure("read", path, error)
        }
        let size = file?.count ?? 0
        let pagesOfFile = (size + Int64(DatabasePages.pageBytes) - 1) / Int64(DatabasePages.pageBytes)
        count = max(
            min(UInt32(clamping: pagesOfFile), DatabasePages.lastPage), logged.last.map { min($0, 1 << 30) } ?? 0)
    }

    /// Beside the file that a link leads to, where SQLite has it; beside the link, when only the file was moved.
    private static func log(of path: String, _ files: Files) -> String {
        let beside = files.resolved(path) + "-wal"
        return files.size(beside) > 0 ? beside : path + "-wal"
    }

    /// The first page from `page` on that is on the disk; nil when there is none.
    func next(from page: UInt32) -> UInt32? {
        guard page >= 1, page <= count else { return nil }
        if frames.pages[page] != nil { return page }
        let found = [pageInFile(from: page), pageInLog(from: page)].compactMap { $0 }.min()
        return found.flatMap { $0 <= count ? $0 : nil }
    }

    private func pageInFile(from page: UInt32) -> UInt32? {
        let size = Int64(DatabasePages.pageBytes)
        let offset = Int64(page - 1) * size
        if !extent.contains(offset) {
            guard let found = file?.data(from: offset) else { return nil }
            extent = found
        }
        return max(page, UInt32(clamping: extent.lowerBound / size + 1))
    }

    private func pageInLog(from page: UInt32) -> UInt32? {
        var (low, high) = (0, logged.count)
        while low < high {
            let middle = (low + high) / 2
            if logged[middle] < page { low = middle + 1 } else { high = middle }
        }
        return low < logged.count ? logged[low] : nil
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
