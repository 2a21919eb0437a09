/// Cuts a stream into lines, of which none may be longer than it is allowed.
struct LineBuffer {
    private var bytes: [UInt8] = []
    /// What is before it was handed out.
    private var start = 0
    /// What is before it has no line feed.
    private var searched = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    mutating func append(_ piece: UnsafeRawBufferPointer) {
        bytes.removeSubrange(..<start)
        (searched, start) = (searched - start, 0)
        bytes.append(contentsOf: piece)
    }

    /// The next whole line without its end; nil when there is none, or when it is too long.
    mutating func next() -> [UInt8]? {
        guard let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) else {
            searched = bytes.count
            return nil
        }
        guard end - start <= limit else { return nil }
        defer { (start, searched) = (end + 1, end + 1) }
        return Array(bytes[start..<end])
    }

    /// Where there is no next line: whether that is because it is too long.
    var isOverlong: Bool { bytes.count - start > limit }
}
