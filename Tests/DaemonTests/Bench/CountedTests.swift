import Glibc
import TestSupport
import Testing

@testable import Daemon

@Suite struct CountedTests {
    @Test(arguments: [CountedStep.decode, .merge, .encode, .open, .send])
    func `a step does the same each time, with all of a scrape`(step: CountedStep) throws {
        let work = try CountedWork()
        let first = try work.run(step)
        #expect(first.samples == 20_280 && first.requests == 11)
        #expect(try work.run(step) == first)
        #expect(try CountedWork().run(step) == first)
        #expect((first.bytes > 0) == (step == .encode || step == .send))
    }

    @Test func `commits are counted but for the first time, and leave nothing behind`() async throws {
        let folder = try TemporaryFolder()
        let appends = try CountedWork().appends
        let result = try await CountedCommits.run(appends, times: 2, in: folder.path)
        #expect(result.requests == 22 && result.samples == 40_560)
        let none = try await CountedCommits.run(appends, times: 0, in: folder.path)
        #expect(none.requests == 0 && none.samples == 0 && none.bytes < result.bytes)
        // Nothing is left: a folder goes only when it is empty.
        #expect(rmdir(folder.path) == 0)
    }
}
