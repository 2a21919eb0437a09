import Metrics
import TestSupport
import Testing

/// Rules from the reference grammar (line-protocol.ebnf) unless a case says otherwise.
@Suite struct LineProtocolDecoderTests {
    private static let now = WireDecoding.arrival

    struct Case: CustomTestStringConvertible {
        var line: String
        var points: [String]
        var testDescription: String { line }
        init(_ line: String, _ points: String...) {
            self.line = line
            self.points = points
        }
    }

    @Test(arguments: [
        Case("m f=1 5", "m{}.f=1.0@5"),
        Case("m,host=a,dc=b f=1 5", "m{dc=b,host=a}.f=1.0@5"),
        Case("m f=1", "m{}.f=1.0@\(now)"),
        Case("m f=1i 5", "m{}.f=1i@5"),
        Case("m f=-9223372036854775808i 5", "m{}.f=-9223372036854775808i@5"),
        Case("m f=18446744073709551615u 5", "m{}.f=18446744073709551615u@5"),
        Case("m f=-1.5e+78 5", "m{}.f=-1.5e+78@5"),
        Case("m f=.5 5", "m{}.f=0.5@5"),
        Case("m f=1. 5", "m{}.f=1.0@5"),
        Case(
            "m f=t,g=T,h=true,i=True,j=TRUE 5", "m{}.f=true@5", "m{}.g=true@5", "m{}.h=true@5", "m{}.i=true@5",
            "m{}.j=true@5"),
        Case(
            "m f=f,g=F,h=false,i=False,j=FALSE 5", "m{}.f=false@5", "m{}.g=false@5", "m{}.h=false@5", "m{}.i=false@5",
            "m{}.j=false@5"),
        Case(#"m f="a \"b\" \\ \x, = c" 5"#, #"m{}.f='a "b" \ \x, = c'@5"#),
        Case("m f=\"two\nlines\" 5", "m{}.f='two\nlines'@5"),
        Case(#"m f="" 5"#, "m{}.f=''@5"),
        // Escapes: measurement takes comma and blank, the others `=` too; other backslashes stay.
        Case(#"a\,b\ c\=d,t\=\,\ k=v\,\=\ w f\,\ \=g=1 5"#, #"a,b c\=d{t=, k=v,= w}.f, =g=1.0@5"#),
        Case(#"a\b,t\x=\y f\z=1 5"#, #"a\b{t\x=\y}.f\z=1.0@5"#),
        Case(#"m,t=a\\,u f=1 5"#, #"m{t=a\,u}.f=1.0@5"#),
        Case("a=b f=1 5", "a=b{}.f=1.0@5"),
        Case("größe,ort=köln tür=1 5", "größe{ort=köln}.tür=1.0@5"),
        Case("  m   f=1   5   ", "m{}.f=1.0@5"),
        Case("m f=1 -5\r", "m{}.f=1.0@-5"),
        Case("m f=1\r", "m{}.f=1.0@\(now)"),
    ])
    func `a line becomes its fields`(_ example: Case) throws {
        for ending in ["", "\n"] {
            let request = try WireDecoding.lines((example.line + ending).utf8)
            #expect(request.batch.lines == example.points)
            #expect(request.refusals.isEmpty)
        }
    }

    @Test(arguments: ["n,t=a,t=b f=1 1", "n,t=\u{fffd} f=x", ",t=a f=1", "n,t= f=1"])
    func `a refused line leaves the next one its own labels`(refused: String) throws {
        let request = try WireDecoding.lines("m,host=a f=1 1\n\(refused)\nm,host=a g=2 2\n".utf8)
        #expect(request.batch.lines == ["m{host=a}.f=1.0@1", "m{host=a}.g=2.0@2"])
        #expect(request.refusals.first.count == 1)
    }

    @Test(arguments: [
        "m", "m ", "m f", "m f=", "m =1", "m f=1,", "m f=1,,g=2", ",t=a f=1", "m, f=1", "m,t f=1", "m,t= f=1",
        "m,=a f=1", "m,t=a=b f=1", "m,t=a, f=1", "m f=1 x", "m f=1 1 1", "m f=1 1.5", "m f=1 +5", "m f=+1", "m f=NaN",
        "m f=Inf", "m f=-inf", "m f=0x10", "m f=1e400", "m f=1.5i", "m f=-1u", "m f=9223372036854775808i",
        "m f=18446744073709551616u", "m f=tRUE", "m f=TrUe", "m f=yes", "m f=truex", "m f=\"a", "m f=\"a\"b", "m f=i",
        "m\\", "m,t=a\\", "m f\\", "m f=1 9223372036854775807", "m f=1 -9223372036854775807",
        "m f=1 9223372036854775808",
        "m\u{1}x f=1", "m,t=\u{7f} f=1", "m f\t=1", "m\tf=1", "m f=1\rx", "m f=1 5\rx",
        // Labels (design, "duplicates"): a tag named twice, and one in the place of the measurement.
        "m,t=a,t=b f=1", "m,__name__=n f=1",
    ])
    func `a bad line is set aside with its number, and its neighbours are stored`(_ line: String) throws {
        let request = try WireDecoding.lines("# comment\nbefore f=1 5\n\(line)\nafter f=2 6\n".utf8)
        #expect(request.batch.lines == ["before{}.f=1.0@5", "after{}.f=2.0@6"])
        #expect(request.refusals.first.map(\.line) == [3])
    }

    @Test(arguments: [
        (LinePrecision.nanoseconds, Int64(1)), (.microseconds, 1000), (.milliseconds, 1_000_000),
        (.seconds, 1_000_000_000), (.minutes, 60_000_000_000), (.hours, 3_600_000_000_000),
    ])
    func `timestamps scale by the precision, and overflow refuses the line`(
        _ precision: LinePrecision, _ scale: Int64
    ) throws {
        let largest = 9_223_372_036_854_775_806 / scale
        let body = "m f=1 7\nm f=2 \(largest)\nm f=3 \(largest + 1)\nm f=4 -\(largest + 1)\n"
        let request = try WireDecoding.lines(body.utf8, precision: precision)
        #expect(request.batch.points.times == [7 * scale, largest * scale])
        #expect(request.refusals.points == [.invalidTime: 2])
    }

    @Test func `automatic precision goes by size`() throws {
        let body = "m f=1 1790000000\nm f=1 1790000000000\nm f=1 1790000000000000\nm f=1 1790000000000000000\n"
        let times = try WireDecoding.lines(body.utf8, precision: .automatic).batch.points.times
        #expect(times == Array(repeating: 1_790_000_000_000_000_000, count: 4))
    }

    @Test(arguments: ["n", "ns", "u", "us", "ms", "s", "m", "h", "auto", "nanosecond", "second"])
    func `every generation's name of a precision is known`(_ name: String) {
        #expect(LinePrecision(name: name) != nil)
        #expect(LinePrecision(name: name + "x") == nil)
    }

    @Test func `further fields of a line share its row`() throws {
        let request = try WireDecoding.lines("m f=1,g=2,h=3 5\nm f=4 6\n".utf8)
        #expect(request.batch.points.flags == [[], .sharesRow, .sharesRow, []])
        #expect(request.batch.series.count == 3)
    }

    @Test func `a refused line counts the points it would have been`() throws {
        let request = try WireDecoding.lines("m a=1,b=\"x,y \",c=NaN,d=4 5\nm,t=,u=1 a=1,b=2\nm\n".utf8)
        #expect(request.refusals.first.map(\.points) == [4, 2, 1])
    }

    @Test func `lines inside strings count, so that a later number is right`() throws {
        let request = try WireDecoding.lines("m f=\"a\n\nb\" 5\n\n# x\nbad\n".utf8)
        #expect(request.refusals.first.map(\.line) == [6])
    }

    @Test func `names and strings that are not UTF-8 refuse their line`() throws {
        let bad: [UInt8] = [0xC3, 0x28]
        for line in [
            Array("m".utf8) + bad + Array(" f=1".utf8), Array("m f".utf8) + bad + Array("=1".utf8),
            Array("m f=\"".utf8) + bad + Array("\"".utf8),
        ] {
            let request = try WireDecoding.lines(line)
            #expect(request.batch.isEmpty)
            #expect(request.refusals.totalPoints == 1)
        }
    }

    @Test func `a line is given up at its limit, whatever its fields are, and the next one is stored`() throws {
        var limits = WireLimits.standard
        limits.lineBytes = 64
        for field in ["f=1,", "f=\"xx\",", "f=\"x\\\"\ny\","] {
            let long = "m " + String(repeating: field, count: 1000)
            let request = try WireDecoding.lines((long + "g=1 5\nn f=1 5\n").utf8, limits: limits)
            #expect(request.batch.lines.last == "n{}.f=1.0@5")
            #expect(request.refusals.points[.tooLarge, default: 0] > 0)
        }
        let open = try WireDecoding.lines("m f=\"\(String(repeating: "x", count: 100))\nn f=1 5\n".utf8, limits: limits)
        #expect(open.batch.lines == ["n{}.f=1.0@5"])
        #expect(open.refusals.points == [.tooLarge: 1])
    }

    @Test func `limits on points and series refuse the body, on a line only the line`() throws {
        var limits = WireLimits.standard
        limits.points = 2
        #expect(throws: WireError.self) { try WireDecoding.lines("m a=1,b=2,c=3\n".utf8, limits: limits) }
        limits = .standard
        limits.series = 2
        #expect(throws: WireError.self) { try WireDecoding.lines("m a=1,b=2,c=3\n".utf8, limits: limits) }
        limits = .standard
        limits.lineBytes = 20
        let long = "m f=\"\(String(repeating: "x", count: 30))\" 5\nm f=1 5\n"
        let request = try WireDecoding.lines(long.utf8, limits: limits)
        #expect(request.batch.lines == ["m{}.f=1.0@5"])
        #expect(request.refusals.points == [.tooLarge: 1])
    }

    @Test func `a decoder used again gives the same as a new one`() throws {
        var decoder = LineProtocolDecoder()
        for body in ["m,t=a f=1,g=2 5\nm,t=b f=1 5\n", "bad\n", "m,t=b f=1 5\nm,t=a g=2 6\n"] {
            var request = DecodedRequest()
            try Array(body.utf8).withUnsafeBytes {
                try decoder.decode($0, LineContext(arrivalTime: WireDecoding.arrival), into: &request)
            }
            #expect(request == (try WireDecoding.lines(body.utf8)))
        }
    }
}
