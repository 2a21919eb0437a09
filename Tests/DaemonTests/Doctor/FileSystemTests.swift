import Glibc
import TestSupport
import Testing

@testable import Daemon

@Suite struct FileSystemTests {
    private let table = """
        22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
        30 22 0:27 / /run rw,nosuid - tmpfs tmpfs rw,size=1000k
        31 22 8:2 / /data rw - ext4 /dev/sdb1 rw,barrier=0
        32 22 0:40 / /mnt/far rw - nfs4 server:/x rw

        """

    @Test func `the longest mount above a path is the one it is on`() {
        #expect(FileSystem.parse(table, path: "/var/lib/holdfast")?.mountPoint == "/")
        #expect(FileSystem.parse(table, path: "/run/x")?.type == "tmpfs")
        #expect(FileSystem.parse(table, path: "/runner")?.type == "ext4")
    }

    @Test func `what cannot keep a promise is named`() throws {
        #expect(FileSystem.parse(table, path: "/var")?.support == .supported)
        guard case .doubtful(let why)? = FileSystem.parse(table, path: "/data/x")?.support else {
            Issue.record("barrier=0 is doubtful")
            return
        }
        #expect(why.contains("barriers"))
        guard case .refused? = FileSystem.parse(table, path: "/mnt/far/y")?.support else {
            Issue.record("a network file system is refused")
            return
        }
    }

    @Test func `a file system that takes no writes is told, however the kernel says it`() {
        func mount(_ options: String, _ own: String) -> FileSystem? {
            FileSystem.parse("36 22 7:0 / /data \(options) - ext4 /dev/loop0 \(own)\n", path: "/data/x")
        }
        #expect(mount("rw,relatime", "rw")?.isReadOnly == false)
        #expect(mount("ro,relatime", "rw")?.isReadOnly == true)
        #expect(mount("rw,relatime", "ro")?.isReadOnly == true)
        #expect(mount("rw,relatime", "ro")?.isStoppedByError == false)
        #expect(mount("rw,relatime", "rw,abort,emergency_ro")?.isStoppedByError == true)
        #expect(mount("rw,relatime", "rw,shutdown")?.isReadOnly == true)
    }

    @Test func `the probe measures real writes and leaves nothing behind`() throws {
        let folder = try TemporaryFolder()
        let probe = try SyncProbe.run(in: folder.path)
        #expect(probe.medianNanoseconds > 0)
        #expect(probe.p99Nanoseconds >= probe.medianNanoseconds)
        #expect(rmdir(folder.path) == 0, "an empty folder can be removed")
    }
}
