import Glibc
import Metrics
import Testing
import WALStore

@testable import Daemon

@Suite struct LogTests {
    /// What a log writes, through a real pipe.
    private func lines(_ level: Event.Level, _ form: LogSection.Form, _ body: (Log) -> Void) throws -> [String] {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        body(Log(level: level, form: form, descriptor: ends[1]))
        close(ends[1])
        defer { close(ends[0]) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(ends[0], &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func `a line is one JSON object, whatever the values contain`() throws {
        let written = try lines(.info, .json) { $0.info("a peer said this", ["peer.text": "a\"b\n\u{1}ü"]) }
        #expect(written.count == 1)
        let json = try JSONValue.parse(Array(written[0].utf8))
        #expect(json["message"] == "a peer said this")
        #expect(json["level"] == "info")
        #expect(json["peer.text"] == "a\"b\n\u{1}ü")
        #expect(json["time"]?.string?.hasSuffix("Z") == true)
    }

    @Test func `nothing below the level is written`() throws {
        let written = try lines(.warning, .json) { log in
            log.info("quiet")
            log.error("loud")
        }
        #expect(written.count == 1)
    }

    @Test func `the human form cannot move the cursor`() throws {
        let written = try lines(.info, .text) { $0.info("a peer said this", ["peer.text": "\u{1B}[2J\r\nboo"]) }
        #expect(written.count == 1)
        #expect(!written[0].utf8.contains(0x1B))
        #expect(!written[0].utf8.contains(UInt8(ascii: "\r")))
    }

    @Test func `a repeated warning is said once a period, then with the count of what was held back`() {
        var throttle = Throttle(periodNanoseconds: 100, maximumEntries: 10)
        let about = ["tenant": "a", "backend": "b", "attempt": "1"]
        #expect(throttle.admit("away", about, now: 0) == .say(repeats: 0))
        #expect(throttle.admit("away", ["tenant": "a", "backend": "b", "attempt": "2"], now: 10) == .holdBack)
        #expect(throttle.admit("away", ["tenant": "a", "backend": "c"], now: 10) == .say(repeats: 0))
        #expect(throttle.admit("away", about, now: 100) == .say(repeats: 1))
    }

    @Test func `the throttle's memory is bounded`() {
        var throttle = Throttle(periodNanoseconds: 1000, maximumEntries: 4)
        for number in 0..<100 { _ = throttle.admit("away", ["tenant": "\(number)"], now: 0) }
        #expect(throttle.admit("away", ["tenant": "0"], now: 0) == .say(repeats: 0))
    }
}
