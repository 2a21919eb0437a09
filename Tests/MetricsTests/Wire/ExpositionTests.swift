import Metrics
import TestSupport
import Testing

/// Rules from "Exposition formats" of the Prometheus documentation unless a case says otherwise.
@Suite struct ExpositionTests {
    private static let now = WireDecoding.arrival

    @Test(arguments: [
        ("m 1\n", ["m{}=1.0@\(now)"]), ("m{} 1 5\n", ["m{}=1.0@5000000"]),
        ("m{a=\"b\"} 1 -5\n", ["m{a=b}=1.0@-5000000"]),
        ("m{a=\"b\",} 1 5\n", ["m{a=b}=1.0@5000000"]),
        ("\tm { a = \"b\" , c=\"d\" }\t1\t5 \n", ["m{a=b,c=d}=1.0@5000000"]),
        (#"m{a="\\\"\n"} 1 5"# + "\n", ["m{a=\\\"\n}=1.0@5000000"]),
        // Prometheus' scraper keeps a backslash before anything else; expfmt would refuse it.
        (#"m{a="C:\dir"} 1 5"# + "\n", [#"m{a=C:\dir}=1.0@5000000"#]),
        ("m{a=\"\"} 1 5\n", ["m{}=1.0@5000000"]), ("a:b_C9 +Inf 5\n", ["a:b_C9{}=inf@5000000"]),
        ("m 0x1p-2 5\n", ["m{}=0.25@5000000"]), ("m{a=\"größe}\"} 1e3 5\n", ["m{a=größe}}=1000.0@5000000"]),
        ("{\"my.name\"} 1 5\n", ["my.name{}=1.0@5000000"]),
        ("{\"my.name\",\"l.x\"=\"v\",y=\"z\"} 1 5\n", ["my.name{l.x=v,y=z}=1.0@5000000"]),
        ("m{\"l x\"=\"v\"} 1 5\n", ["m{l x=v}=1.0@5000000"]),
        ("# a comment\n#\n\n \n# HELP\tm \n# TYPE m untyped\nm 1 5\n", ["m{}=1.0@5000000"]), ("", []),
    ])
    func `a body becomes its samples`(_ body: String, _ points: [String]) throws {
        let request = try WireDecoding.exposition(body.utf8)
        #expect(request.batch.lines == points)
        #expect(request.refusals.isEmpty)
    }

    @Test(arguments: [
        "m", "m 1", "m \n", "m x\n", "m 1 x\n", "m 1 1.5\n", "m 1 5 5\n", "m 1\r\n", "m{ 1\n", "m{a} 1\n", "m{a=} 1\n",
        "m{a=b} 1\n", "m{a=\"b} 1\n", "m{a=\"b\" c=\"d\"} 1\n", "m{,} 1\n", "m{a=\"b\"}} 1\n", "m{a=\"b\n\"} 1\n",
        "m{9a=\"b\"} 1\n", "m{a:b=\"c\"} 1\n", "9m 1\n", "m-n 1\n", "{a=\"b\"} 1\n", "{} 1\n", "{\"\"} 1\n",
        "{\"m\",\"n\"} 1\n", "m{\"n\"} 1\n", "m 1_000\n", "m 1e400\n", "m 1 9223372036854775808\n",
        "# TYPE m gauge\n# TYPE m gauge\n", "# TYPE m\n", "# TYPE m thing\n", "# TYPE m gauge x\n", "# TYPE 9 gauge\n",
        "# HELP m a\n# HELP m b\n", "# TYPE m gauge", "# comment",
    ])
    func `a malformed body is refused whole, with its line`(_ bad: String) throws {
        let failure = #expect(throws: WireError.self) { try WireDecoding.exposition("ok 1 5\n\(bad)".utf8) }
        #expect(failure?.code == .malformed)
        #expect([2, 3].contains(failure?.line))
    }

    @Test func `a line cut at any byte is refused, not read as less`() throws {
        let body = Array("m{a=\"b\"} 12345 67890\n".utf8)
        for cut in 1..<body.count {
            #expect(throws: WireError.self, "cut at \(cut)") { try WireDecoding.exposition(body[..<cut]) }
        }
    }

    @Test func `TYPE gives the kind to its family's samples, HELP and TYPE become metadata`() throws {
        let body = """
            # HELP h It\\nhas \\\\ lines
            # TYPE h histogram
            h_bucket{le="1"} 1 5
            h_sum 1 5
            h_count 1 5
            h_total 1 5
            # TYPE s summary
            s{quantile="0.5"} 1 5
            s_sum 1 5
            # TYPE c counter
            c 1 5
            c_sum 1 5
            h_count{late="1"} 1 5
            # HELP only Help

            """
        let batch = try WireDecoding.exposition(body.utf8).batch
        let kinds = batch.points.series.map { batch.series.identity(of: $0).kind }
        #expect(
            kinds == [
                .histogram, .histogram, .histogram, .unknown, .summary, .summary, .counter, .unknown, .histogram,
            ])
        #expect(
            batch.metadata == [
                MetricMetadata(family: "h", kind: .histogram, help: "It\nhas \\ lines"),
                MetricMetadata(family: "s", kind: .summary), MetricMetadata(family: "c", kind: .counter),
                MetricMetadata(family: "only", kind: .unknown, help: "Help"),
            ])
    }

    @Test func `target labels win and rename the series' own`() throws {
        let target = ScrapeLabels([("job", "j"), ("instance", "i"), ("empty", "")])
        let body = "m{job=\"own\",exported_job=\"older\",empty=\"kept\"} 1 5\nn 1 5\n"
        #expect(
            try WireDecoding.exposition(body.utf8, target: target).batch.lines == [
                "m{empty=kept,exported_exported_job=own,exported_job=older,instance=i,job=j}=1.0@5000000",
                "n{instance=i,job=j}=1.0@5000000",
            ])
    }

    @Test func `honoured labels of the series stay, also when they are empty`() throws {
        let target = ScrapeLabels([("job", "j"), ("instance", "i")], honorsLabels: true)
        #expect(
            try WireDecoding.exposition("m{job=\"own\",instance=\"\"} 1 5\n".utf8, target: target).batch.lines
                == ["m{job=own}=1.0@5000000"])
    }

    @Test func `timestamps are dropped when they are not honoured`() throws {
        let request = try WireDecoding.exposition("m 1 5\n".utf8, honorsTimestamps: false)
        #expect(request.batch.points.times == [Self.now])
    }

    @Test func `what cannot be stored sets its sample aside and not the scrape`() throws {
        let many = (0..<200).map { "job=\"\($0)\"" }.joined(separator: ",")
        let body = "m{a=\"1\",a=\"2\"} 1 5\nm{\(many)} 1 5\nm 1 9223372036854775807\nok 1 5\n"
        let request = try WireDecoding.exposition(body.utf8, target: ScrapeLabels([("job", "j")]))
        #expect(request.batch.lines == ["ok{job=j}=1.0@5000000"])
        #expect(request.refusals.points == [.invalidLabels: 2, .invalidTime: 1])
        #expect(request.refusals.first.map(\.line) == [1, 2, 3])
    }

    @Test func `NaN reads as Prometheus' ordinary one, never as its stale marker`() throws {
        #expect(try WireDecoding.exposition("m nAn\n".utf8).batch.points.bits == [FloatBits.normalNaN])
    }
}
