/// The first sequence a tenant's spool may not use yet, in a file of its own outside the database.
///
/// Sequences are reserved ahead, `step` at a time, before the first of them is used, so that none comes back even when
/// the database is lost (rule 8). The file is replaced as a whole and fsynced once every `step` commits.
struct HighWaterMark: Sendable {
    static let step: Int64 = 4096
    private static let header = "holdfast sequences 1\n"

    let path: String
    let files: Files
    /// Wall clock, nanoseconds since the epoch: only asked when the file is damaged.
    let wall: @Sendable () -> Int64

    /// The first sequence that was never reserved; 1 for a new tenant.
    ///
    /// A damaged file is answered with the wall clock's milliseconds: no spool has counted that far.
    func read() throws(SpoolError) -> Int64 {
        guard let bytes = try files.read(path, limit: 256, longer: []) else { return 1 }
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasPrefix(HighWaterMark.header), text.hasSuffix("\n"),
            let mark = Int64(text.dropFirst(HighWaterMark.header.count).dropLast()), mark >= 1
        else { return beyondAll }
        return mark
    }

    /// As `read`, of a spool that was in use: a file that is not there is as a damaged one.
    func readOfUsed() throws(SpoolError) -> Int64 {
        if try !files.exists(path) { try replaceLost() }
        return try read()
    }

    /// More than any spool has counted to.
    private var beyondAll: Int64 { max(1, wall() / 1_000_000) }

    /// What stood in the file's place is gone, and the mark with it: as a damaged one.
    func replaceLost() throws(SpoolError) { try set(beyondAll) }

    /// Reserves `sequence` and those after it, `step` in all; durable on return.
    ///
    /// - Returns: the first sequence that is not reserved.
    func reserve(from sequence: Int64) throws(SpoolError) -> Int64 {
        let reserved = try read()
        guard sequence >= reserved else { return reserved }
        let (next, overflow) = sequence.addingReportingOverflow(HighWaterMark.step)
        guard !overflow else { throw SpoolError(.full, "the spool has used up its sequences") }
        try set(next)
        return next
    }

    /// Says that nothing from `sequence` on was given; durable on return. Only true after a clean close.
    func set(_ sequence: Int64) throws(SpoolError) {
        try files.replace(path, with: Array("\(HighWaterMark.header)\(sequence)\n".utf8))
    }
}
