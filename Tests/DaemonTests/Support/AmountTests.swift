import Testing

@testable import Daemon

@Suite struct AmountTests {
    @Test func `amounts read as people write them`() {
        #expect(Amount.bytes(0) == "0 B")
        #expect(Amount.bytes(1536) == "1.5 KiB")
        #expect(Amount.bytes(300 << 20) == "300 MiB")
        #expect(Amount.count(20_280) == "20,280")
        #expect(Amount.count(-1_000_000) == "-1,000,000")
        #expect(Amount.duration(seconds: 0.25) == "250ms")
        #expect(Amount.duration(seconds: 250) == "4m10s")
        #expect(Amount.duration(seconds: 187_200) == "2d4h")
        #expect(Amount.duration(seconds: .infinity) == "-")
    }

    @Test func `times are RFC 3339 in UTC`() {
        #expect(Timestamp.text(1_790_000_000_123_456_789) == "2026-09-21T14:13:20.123Z")
        #expect(Timestamp.text(0) == "1970-01-01T00:00:00.000Z")
    }
}
