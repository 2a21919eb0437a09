import Glibc
import TestSupport
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(10))) struct SystemFileTests {
    @Test func `a pipe that nobody writes to is no file, and nobody waits for it`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/pipe"
        #expect(mkfifo(path, 0o600) == 0)
        let error = #expect(throws: FileError.self) { try SystemFile.read(path, limit: 100) }
        #expect(error?.code == ENODATA)
    }

    @Test func `what somebody writes into a pipe is read to its end`() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let text = Array("log: { level: debug }".utf8)
        #expect(write(ends[1], text, text.count) == text.count)
        close(ends[1])
        defer { close(ends[0]) }
        #expect(try SystemFile.read("/dev/fd/\(ends[0])", limit: 100) == text)
        let error = #expect(throws: FileError.self) { try SystemFile.read("/etc/passwd", limit: 3) }
        #expect(error?.code == EFBIG)
    }

    @Test func `a finding of many lines stays in its column`() {
        let finding = Finding("spool", .error, "acme: *** in database main ***\nPage 3: bad", advice: "Look.")
        #expect(
            finding.text
                == "error   spool: acme: *** in database main ***\n          Page 3: bad\n          Look.\n")
    }
}
