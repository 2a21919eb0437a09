import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct MakeFolderTests {
    @Test(arguments: ["/proc/nope", "/proc/nope/below"])
    func `where the system says that a folder's parent is not there, and it is, that is an error`(path: String) {
        do throws(SpoolError) {
            try Files.system.makeFolder(path)
            Issue.record("the kernel's own folder has taken one of ours")
        } catch {
            #expect(error.code == .unavailable)
            #expect("\(error)".contains("/proc/nope") && "\(error)".contains("takes no folders"), "\(error)")
        }
    }

    @Test func `what is missing above a folder is made, as often as it is asked for`() throws {
        let folder = try TemporaryFolder()
        for _ in 0..<2 { try Files.system.makeFolder(folder.path + "/a/b/c") }
        #expect(Files.system.known(folder.path + "/a/b/c")?.isFolder == true)
    }
}
