import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A disk of blocks smaller than a page, nearly full: a file that is mapped has holes there, and a write into one that finds
/// no room ends the process.
@Suite(.serialized, .enabled(if: LoopFileSystem.canBeMade, "it takes root, loop devices and mkfs.ext4"))
struct SmallBlockTests {
    /// Uses up the disk but for so many bytes, as another program does.
    private static func fill(_ folder: String, spare: Int) throws -> String {
        let path = folder + "/filler"
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(file) }
        let piece = [UInt8](repeating: 7, count: 1024)
        var bytes = 0
        while write(file, piece, piece.count) == piece.count { bytes += piece.count }
        fsync(file)
        ftruncate(file, off_t(max(0, bytes - spare)))
        fsync(file)
        return path
    }

    @Test func `whatever is left of it the process lives, and nothing acknowledged is lost`() async throws {
        let disk = try LoopFileSystem()
        var refused = 0
        for spare in stride(from: 4, through: 48, by: 2) {
            let node = FaultStore("\(disk.path)/data-\(spare)")
            var acknowledged = Array(0..<200)
            let first = try node.openUnlimited()
            try await first.configure([FaultStore.tenant("acme")])
            _ = try await first.append(FaultStore.batch(0..<200), "acme")
            await first.close()
            let filler = try SmallBlockTests.fill(disk.path, spare: spare << 10)
            if let store = try? node.openUnlimited() {
                _ = try? await store.configure([FaultStore.tenant("acme")])
                for index in 1..<6 {
                    let values = index * 1000..<index * 1000 + 200
                    if case .stored = await Attempted.append(store, FaultStore.batch(values), "acme") {
                        acknowledged += values
                    } else {
                        refused += 1
                    }
                }
                await store.dieAtOnce()
            }
            unlink(filler)
            let next = try node.openUnlimited()
            try await next.configure([FaultStore.tenant("acme")])
            let missing = Set(acknowledged).subtracting(try await next.drain("acme"))
            #expect(missing.isEmpty, "\(spare) KiB: \(missing.count) acknowledged points are gone")
            #expect(try await next.spoolStatus("acme").backends.allSatisfy { $0.balances })
            await next.close()
            TemporaryFolder.remove(node.path)
        }
        #expect(refused > 20, "the disk was full")
    }
}
