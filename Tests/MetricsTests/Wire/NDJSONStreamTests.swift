import Metrics
import TestSupport
import Testing

/// Framing rules of NDJSON (jsonlines.org), and how a stream is taken in slices.
@Suite struct NDJSONStreamTests {
    private let good = #"{"name":"m","value":1,"timestamp_ns":1}"#

    @Test func `blank lines, carriage returns, a mark at the start and a missing last feed are tolerated`() throws {
        let body = "\u{FEFF}\(good)\r\n\r\n  \n\(good)\n\n\(good)"
        let request = try WireDecoding.records(body.utf8)
        #expect(request.batch.points.count == 3)
        #expect(request.refusals.isEmpty)
    }

    @Test func `a mark after the start spoils its line only`() throws {
        let request = try WireDecoding.records("\(good)\n\u{FEFF}\(good)\n\(good)\n".utf8)
        #expect(request.batch.points.count == 2)
        #expect(request.refusals.first.map(\.line) == [2])
    }

    @Test func `a stream cut anywhere gives the same points, lines and refusals`() throws {
        let body = Array("\(good)\n\nbad\n\(good)\r\n{\"name\":\"é\",\"value\":2,\"timestamp_ns\":2}\n\(good)".utf8)
        let whole = try WireDecoding.records(body)
        #expect(whole.batch.points.count == 4)
        for cut in 0...body.count {
            var decoder = JSONRecordDecoder()
            var request = DecodedRequest()
            var rest = Array(body[..<cut])
            let first = rest.withUnsafeBytes {
                decoder.decodeLines($0, isLast: false, arrivalTime: WireDecoding.arrival, into: &request)
            }
            rest.removeFirst(first.bytes)
            rest += body[cut...]
            let second = rest.withUnsafeBytes {
                decoder.decodeLines($0, isLast: true, arrivalTime: WireDecoding.arrival, into: &request)
            }
            #expect(request == whole, "cut at \(cut)")
            #expect(first.bytes + second.bytes == body.count)
            #expect(first.lines + second.lines == 6)
        }
    }

    @Test func `a full request stops the slice, and the next one goes on behind it`() throws {
        let body = Array(String(repeating: good + "\n", count: 5).utf8)
        var limits = WireLimits.standard
        limits.points = 2
        var decoder = JSONRecordDecoder()
        var at = 0
        var slices: [Int] = []
        while at < body.count {
            var request = DecodedRequest()
            at += body[at...].withUnsafeBytes {
                decoder.decodeLines($0, isLast: true, arrivalTime: 0, limits: limits, into: &request).bytes
            }
            slices.append(request.batch.points.count)
        }
        #expect(slices == [2, 2, 1])
        #expect(decoder.line == 6)
    }

    @Test func `an over-long line is refused alone, wherever the stream is cut, and is never kept`() throws {
        var limits = WireLimits.standard
        limits.lineBytes = 100
        let long = "{\"name\":\"\(String(repeating: "x", count: 200))\",\"value\":1}"
        let body = Array("\(good)\n\(long)\n\(good)\n\(long)".utf8)
        let whole = try WireDecoding.records(body, limits: limits)
        #expect(whole.batch.points.count == 2)
        #expect(whole.refusals.points == [.tooLarge: 2])
        #expect(whole.refusals.first.map(\.line) == [2, 4])
        for cut in 0...body.count {
            var decoder = JSONRecordDecoder()
            var request = DecodedRequest()
            let first = body[..<cut].withUnsafeBytes {
                decoder.decodeLines(
                    $0, isLast: false, arrivalTime: WireDecoding.arrival, limits: limits, into: &request)
            }
            #expect(cut - first.bytes <= limits.lineBytes, "cut at \(cut)")
            let second = body[first.bytes...].withUnsafeBytes {
                decoder.decodeLines(
                    $0, isLast: true, arrivalTime: WireDecoding.arrival, limits: limits, into: &request)
            }
            #expect(request == whole, "cut at \(cut)")
            #expect(first.bytes + second.bytes == body.count)
            #expect(first.lines + second.lines == 4, "cut at \(cut)")
        }
    }

    @Test func `another stream does not begin inside the refused line of the last one`() {
        var limits = WireLimits.standard
        limits.lineBytes = 100
        var decoder = JSONRecordDecoder()
        var request = DecodedRequest()
        _ = [UInt8](repeating: UInt8(ascii: "["), count: 200).withUnsafeBytes {
            decoder.decodeLines($0, isLast: false, arrivalTime: 0, limits: limits, into: &request)
        }
        decoder.beginStream()
        _ = Array(good.utf8).withUnsafeBytes {
            decoder.decodeLines($0, isLast: true, arrivalTime: 0, limits: limits, into: &request)
        }
        #expect(request.batch.points.count == 1)
    }
}
