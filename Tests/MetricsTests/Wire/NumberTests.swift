import Metrics
import TestSupport
import Testing

@Suite struct NumberTests {
    private func parse(_ text: String) throws(NumberFault) -> UInt64 {
        let result = Array(text.utf8).withUnsafeBytes { bytes -> Result<UInt64, NumberFault> in
            do throws(NumberFault) { return .success(try NumberParser.float64(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private func parseGo(_ text: String) throws(NumberFault) -> UInt64 {
        let result = Array(text.utf8).withUnsafeBytes { bytes -> Result<UInt64, NumberFault> in
            do throws(NumberFault) { return .success(try NumberParser.goFloat64(bytes)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func print(_ bits: UInt64) -> String {
        var bytes: [UInt8] = []
        NumberPrinter.append(float64: bits, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `every finite float survives printing and parsing bit for bit`() throws {
        var random = SeededGenerator.fresh()
        for _ in 0..<20_000 {
            let bits = random.next() % 2 == 0 ? random.next() : RandomBatch.floatBits(using: &random)
            guard FloatBits.isFinite(bits) else { continue }
            #expect(try parse(print(bits)) == bits, "seed \(random.seed), bits \(bits)")
        }
    }

    @Test func `decimal spellings of any length round as Swift's own parser does`() throws {
        var random = SeededGenerator.fresh()
        for _ in 0..<20_000 {
            var text = random.next() % 2 == 0 ? "-" : ""
            for _ in 0..<Int(random.next() % 24) + 1 { text += "\(random.next() % 10)" }
            if random.next() % 2 == 0 { text += "." }
            if text.hasSuffix("."), random.next() % 2 == 0 {
                for _ in 0..<Int(random.next() % 24) { text += "\(random.next() % 10)" }
            }
            if random.next() % 2 == 0 { text += "e\(Int(random.next() % 700) - 350)" }
            let expected = try #require(Double(text.replacing(".e", with: "e").trimmingSuffix(".")))
            if expected.isInfinite {
                #expect(throws: NumberFault.range, "seed \(random.seed), \(text)") { try parse(text) }
            } else {
                #expect(try parse(text) == expected.bitPattern, "seed \(random.seed), \(text)")
            }
        }
    }

    @Test(arguments: ["", "-", ".", "+", "1e", "1e+", "e5", "1.2.3", "0x10", "1_000", " 1", "1 ", "NaN", "inf", "1f"])
    func `what is no decimal float is a syntax fault`(_ text: String) {
        #expect(throws: NumberFault.syntax) { try parse(text) }
    }

    @Test(arguments: ["1e400", "-1e400", "2e308", "1e99999999999999999999"])
    func `a number beyond float64 is a range fault, not infinity`(_ text: String) {
        #expect(throws: NumberFault.range) { try parse(text) }
    }

    @Test(arguments: [
        ("1e-400", 0), ("-0", 0x8000_0000_0000_0000), ("5e-324", 1), ("1.7976931348623157e308", 0x7fef_ffff_ffff_ffff),
        ("9007199254740993", (9_007_199_254_740_992.0).bitPattern), (".5", (0.5).bitPattern), ("1.", (1.0).bitPattern),
    ])
    func `edges of float64 are read exactly`(_ text: String, _ bits: UInt64) throws {
        #expect(try parse(text) == bits)
    }

    @Test(arguments: [
        ("NaN", FloatBits.normalNaN), ("nan", FloatBits.normalNaN), ("+Inf", FloatBits.positiveInfinity),
        ("INF", FloatBits.positiveInfinity), ("-infinity", FloatBits.negativeInfinity), ("0x1.8p1", (3.0).bitPattern),
        ("-0X.8P-1", (-0.25).bitPattern), ("+1.5", (1.5).bitPattern),
    ])
    func `values of the text format read as in Go`(_ text: String, _ bits: UInt64) throws {
        #expect(try parseGo(text) == bits)
    }

    @Test(arguments: ["0x1", "0x", "0xp1", "0x1p", "1_0", "nano", "+nan", "in", "--1", "0x1.1.1p1", "x", "-"])
    func `what Go's ParseFloat refuses is refused`(_ text: String) {
        #expect(throws: NumberFault.syntax) { try parseGo(text) }
    }

    @Test func `whole numbers are exact to the last one and overflow is a range fault`() throws {
        func int(_ text: String) -> Result<Int64, NumberFault> {
            Array(text.utf8).withUnsafeBytes { bytes in
                do throws(NumberFault) { return .success(try NumberParser.int64(bytes)) } catch {
                    return .failure(error)
                }
            }
        }
        #expect(int("9223372036854775807") == .success(.max))
        #expect(int("-9223372036854775808") == .success(.min))
        #expect(int("9223372036854775808") == .failure(.range))
        #expect(int("-9223372036854775809") == .failure(.range))
        #expect(int("+1") == .failure(.syntax))
        #expect(int("--1") == .failure(.syntax))
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-09-21T13:33:20.123456789Z", 1_789_997_600_123_456_789),
        ("2026-09-21t15:33:20.5+02:00", 1_789_997_600_500_000_000), ("1969-12-31T23:59:59.999999999Z", -1),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000), ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
        ("2262-04-11T23:47:16.854775807Z", Int64.max),
    ])
    func `RFC 3339 times read as nanoseconds`(_ text: String, _ nanoseconds: Int64) {
        #expect(RFC3339.parse(text) == nanoseconds)
    }

    @Test(arguments: [
        "", "2026-09-21", "2026-09-21T13:33:20", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-09-21T24:00:00Z",
        "2026-09-21T13:33:20.Z", "2026-09-21T13:33:20+2:00", "2026-09-21T13:33:20Zx", "2262-04-11T23:47:16.854775808Z",
        "0001-01-01T00:00:00Z", "2026-09-21T13:33:20+02:60",
    ])
    func `what is no RFC 3339 time in range is none`(_ text: String) { #expect(RFC3339.parse(text) == nil) }

    @Test func `every time survives formatting and parsing`() {
        var random = SeededGenerator.fresh()
        for _ in 0..<5000 {
            let time = Int64(bitPattern: random.next()) / [1, 1000, 1_000_000, 1_000_000_000][Int(random.next() % 4)]
            #expect(RFC3339.parse(RFC3339.format(time)) == time, "seed \(random.seed), time \(time)")
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
