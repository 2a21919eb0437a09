import Metrics
import TestSupport
import Testing

/// No input may trap or hang a decoder, whatever it decodes to.
@Suite struct HostileTextTests {
    private static let bodies: [String] = [
        #"m\ x,t=a\,b f=1.5,g=2i,h="s\"\\",i=t 1790000000000000000"# + "\r\n# c\nn,a=b,c=d f=1\n",
        #"[{"name":"m","labels":{"a":"b\n\u00e9"},"value":"NaN","timestamp_ms":5,"exemplars":[{"labels":{},"value":1}]},"#
            + #"{"name":"h","histogram":{"count":1,"bounds":[1],"counts":[1,0]}},{"metadata":{"family":"m"}},"#
            + #"{"name":"e","exponential_histogram":{"schema":0,"count":1,"sum":1,"positive":{"spans":[[0,1]],"deltas":[1]}},"#
            + #""resource":{"attributes":{"a":[1,2.5,{"bytes":"AA=="},null]}}}]"#,
        "# HELP m a\\nb\n# TYPE m histogram\nm_bucket{le=\"+Inf\",x=\"\\\\\"} 0x1p-2 5\n{\"a.b\",c=\"d\"} NaN\n",
    ]

    /// Every decoder on the same bytes.
    private func decodeAll(_ body: [UInt8]) {
        for decode in [
            { try WireDecoding.lines($0) }, { try WireDecoding.json($0) }, { try WireDecoding.records($0) },
            { try WireDecoding.exposition($0, target: ScrapeLabels([("a", "t")])) },
        ] as [([UInt8]) throws -> DecodedRequest] {
            guard let request = try? decode(body) else { continue }
            #expect(request.batch.points.count <= body.count)
            #expect(request.batch.points.series.allSatisfy { Int($0) < request.batch.series.count })
        }
    }

    @Test func `bodies cut at each byte are decoded or refused`() {
        for body in Self.bodies {
            let bytes = Array(body.utf8)
            for cut in 0...bytes.count { decodeAll(Array(bytes[..<cut])) }
            for cut in 0...bytes.count { decodeAll(Array(bytes[cut...])) }
        }
    }

    @Test func `bodies with random bytes changed are decoded or refused`() {
        var random = SeededGenerator.fresh()
        print("seed \(random.seed)")
        let alphabet = Array("\\\"{}[],=:# \n\r\t\u{0}01.-+eEnaNif_:".utf8)
        for body in Self.bodies {
            for _ in 0..<1000 {
                var bytes = Array(body.utf8)
                for _ in 0..<Int(random.next() % 4) + 1 {
                    let at = Int(random.next() % UInt64(bytes.count))
                    switch random.next() % 3 {
                    case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                    case 1: bytes[at] = alphabet[Int(random.next() % UInt64(alphabet.count))]
                    default: bytes.insert(alphabet[Int(random.next() % UInt64(alphabet.count))], at: at)
                    }
                }
                decodeAll(bytes)
            }
        }
    }

    @Test func `random bytes are decoded or refused`() {
        var random = SeededGenerator.fresh()
        print("seed \(random.seed)")
        for _ in 0..<2000 {
            decodeAll((0..<Int(random.next() % 100)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
    }
}
