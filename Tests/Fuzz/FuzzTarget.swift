/// One decoder, and what holds whatever bytes it is given.
///
/// The same check runs under libFuzzer (`ops/fuzz`) and, over the kept corpus and small damage to it, in the test suite.
struct FuzzTarget: Sendable, CustomStringConvertible {
    typealias Check = @Sendable (UnsafeRawBufferPointer) throws -> Void

    /// Names the corpus folder, and what `ops/fuzz` is asked for.
    let name: String
    /// Longest input that is tried.
    let maximumBytes: Int
    /// Valid inputs, from which the search starts.
    let seeds: @Sendable () -> [[UInt8]]
    /// Returns when everything held; throws a `FuzzFinding` when something did not, and traps when the code at test does.
    let check: Check

    init(
        _ name: String, maximumBytes: Int = 4096, seeds: @escaping @Sendable () -> [[UInt8]], check: @escaping Check
    ) {
        self.name = name
        self.maximumBytes = maximumBytes
        self.seeds = seeds
        self.check = check
    }

    var description: String { name }
}

/// What a check found wrong.
struct FuzzFinding: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// The claim of a check: like `#expect`, but also there without a test around it.
func require(_ holds: Bool, _ claim: @autoclosure () -> String) throws {
    if !holds { throw FuzzFinding("not true: \(claim())") }
}

extension FuzzTarget {
    static let all: [FuzzTarget] = [
        .remoteWrite, .protobuf, .snappy, .gzip, .deflate, .zstd, .lineProtocol, .exposition, .jsonRecords, .ndjson,
        .jsonValue, .numbers, .histogram, .labels, .block, .spoolPages, .spoolCells, .nodeSummary, .highWaterMark,
        .backupManifest, .configuration, .httpRequest, .httpFields, .bulkAnswer, .httpAnswer, .programLine,
        .archiveFolder, .chainRecords, .anchors,
    ]

    static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}
