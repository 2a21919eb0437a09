import Foundation
import Metrics
import TestSupport
import Testing

@testable import WALStore

struct LogFramesTests {
    /// Where the frames of each transaction begin in a log, padding with its commit, the last of the log last.
    private static func transactions(_ log: [UInt8]) -> [[Int]] {
        var all: [[Int]] = []
        var frames: [Int] = []
        var (last, isEnded): (ArraySlice<UInt8>, Bool) = ([], false)
        for frame in stride(from: LogFrames.headerBytes, to: log.count, by: LogFrames.frameBytes) {
            let (page, size) = (log[frame..<frame + 4], log[frame + 4..<frame + 8])
            let isCommit = size.contains { $0 != 0 }
            if isEnded, !(isCommit && page.elementsEqual(last)) {
                all.append(frames)
                (frames, isEnded) = ([], false)
            }
            frames.append(frame)
            (last, isEnded) = (page, isEnded || isCommit)
        }
        return all + [frames]
    }

    /// A log with some transactions, of a spool that nobody has open.
    private static func log() async throws -> [UInt8] {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        for first in [0, 10, 20] { _ = try await spool.append(Make.request(Make.batch(first..<first + 10))) }
        var random = SeededGenerator(seed: 7)
        var large = Make.batch(0..<1)
        for time in 0..<5000 { large.points.appendFloat64(series: 0, time: Int64(time), bits: random.next()) }
        _ = try await spool.append(Make.request(large))
        await spool.abandon()
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture.path + "-wal")))
    }

    private static func commitsBehindDamage(_ log: [UInt8]) throws -> Int {
        let folder = try TemporaryFolder()
        let path = folder.path + "/log"
        try Data(log).write(to: URL(fileURLWithPath: path))
        return try LogFrames(path, .system).commitsBehindDamage
    }

    @Test func `commits behind a damaged one are counted, and an undamaged log has none`() async throws {
        let log = try await LogFramesTests.log()
        let transactions = LogFramesTests.transactions(log)
        try #require(transactions.count >= 4 && transactions[transactions.count - 1].count > 5)
        #expect(try LogFramesTests.commitsBehindDamage(log) == 0)
        var damaged = log
        damaged[transactions[transactions.count - 3][0] + 100] ^= 1
        #expect(try LogFramesTests.commitsBehindDamage(damaged) == 3)
    }

    /// What a power cut leaves of the last transaction is one commit at most, which nobody has acknowledged: more would set
    /// the spool aside. Found by the simulator: a garbled sector held the beginning of a frame, and with it a commit mark.
    @Test func `a torn transaction is one commit at most, whichever sector of it is chance`() async throws {
        let log = try await LogFramesTests.log()
        let torn = try #require(LogFramesTests.transactions(log).last)
        var random = SeededGenerator.fresh()
        for frame in torn {
            var damaged = log
            // A sector of 512 bytes may end anywhere in a frame's head: here behind its page and its commit mark.
            for at in frame..<frame + 8 { damaged[at] = UInt8(truncatingIfNeeded: random.next() | 1) }
            let count = try LogFramesTests.commitsBehindDamage(damaged)
            #expect(
                count <= 1, "seed \(random.seed): frame \(torn.firstIndex(of: frame) ?? 0) of \(torn.count): \(count)")
        }
    }
}
