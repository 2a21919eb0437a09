import TestSupport
import Testing

@testable import WALStore

struct KeptFolderTests {
    /// Whoever met the folder the second time took it for kept, and what was acknowledged in it went with it.
    @Test func `a folder whose fsync failed is kept once making it succeeds`() throws {
        for seed in 0..<50 {
            let disk = SimulatedDisk(seed: TestSeed.first + UInt64(seed))
            let files = Files(disk.mount())
            disk.inject(DiskFault(.inputOutput, atCall: 1, calls: [.syncFolder]))
            #expect(throws: SpoolError.self) { try files.makeFolder("/data") }
            disk.inject(nil)
            try files.makeFolder("/data")
            disk.restart(.powerCut)
            #expect(try disk.mount().names(in: "/") == ["data"])
        }
    }
}
