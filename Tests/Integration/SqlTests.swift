import Foundation
import TestSupport
import Testing

/// `holdfast sql`, as an operator uses it.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SqlTests {
    private func sql(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
        try run(Workbench.holdfast, ["sql"] + arguments)
    }

    private func node(_ bench: Workbench, dataFolder: String? = nil) throws -> HoldfastNode {
        try HoldfastNode(
            bench,
            config: """
                backends:
                  nobody: { type: prometheus_remote_write, url: "http://127.0.0.1:1/api/v1/write" }
                tenants:
                  default: { backends: [nobody] }
                """, dataFolder: dataFolder)
    }

    private func send(_ count: Int, from first: Int, to node: HoldfastNode) async throws {
        let now = Int(Date().timeIntervalSince1970) * 1000
        let lines = (first..<first + count).map { number in
            #"{"name":"metric_\#(number % 3)","labels":{"n":"\#(number % 10)"},"value":\#(number),"timestamp_ms":\#(now)}"#
        }
        let answer = try await Web.post(
            "\(node.url)/api/v1/json", lines.joined(separator: "\n"), headers: ["Content-Type": "application/x-ndjson"])
        #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
    }

    @Test func `a node is asked while it runs, when it was killed, when it has stopped, and in a backup`() async throws
    {
        let bench = try Workbench("sql")
        let node = try node(bench)
        try await node.start()
        let count = "SELECT name, count(*) AS points, sum(value) AS total FROM points GROUP BY name"
        func answer(_ arguments: String...) throws -> String {
            let answer = try run(Workbench.holdfast, ["sql", "--format", "csv"] + arguments)
            #expect(answer.status == 0 && answer.errors == "", "\(answer)")
            return answer.output
        }
        let folder = node.dataFolder
        try await send(300, from: 0, to: node)
        let first = "name,points,total\nmetric_0,100,14850\nmetric_1,100,14950\nmetric_2,100,15050\n"
        #expect(try answer("--data-dir", folder, count) == first)
        try await send(3, from: 300, to: node)
        #expect(try answer("--data-dir", folder, "SELECT count(*) AS n FROM points") == "n\n303\n")
        #expect(
            try answer(
                "--data-dir", folder, "SELECT labels ->> 'n' AS n, value FROM points('metric_1{n=\"7\"}') LIMIT 2")
                == "n,value\n7,7\n7,37\n")
        #expect(try answer("--data-dir", folder, "SELECT pending FROM backends") == "pending\n303\n")
        let backup = bench.path("backup")
        #expect(try run(Workbench.holdfast, ["backup", backup, "--data-dir", folder]).status == 0)

        node.process.kill()
        #expect(try answer("--data-dir", folder, "SELECT count(*) AS n FROM points") == "n\n303\n")
        try await node.start()
        #expect(try await eventually(within: 20) { try node.status().isCurrent && node.status().accepted == 303 })
        #expect(node.process.stop() == 0)
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/tenants/default").sorted()
        #expect(try answer("--data-dir", folder, count).hasPrefix("name,points,total\nmetric_0,101,"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/tenants/default").sorted() == names)

        let copy = "\(backup)/spools/default.db"
        #expect(try answer("--file", copy, "SELECT count(*) AS n FROM points") == "n\n303\n")
        #expect(try run(Workbench.holdfast, ["backup", backup, "--verify"]).status == 0)
        // As a kill leaves it, copied by hand: the log is part of it.
        try await node.start()
        try await send(7, from: 303, to: node)
        node.process.kill()
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(
                atPath: "\(folder)/tenants/default/spool.db\(suffix)", toPath: bench.path("copied.db\(suffix)"))
        }
        #expect(try answer("--file", bench.path("copied.db"), "SELECT count(*) AS n FROM points") == "n\n310\n")
    }

    @Test(.enabled(if: OtherUser.canBeUsed, "running as another user takes root and setpriv"))
    func `who may read a copy and its log, and not write beside them, asks a copy of both, which goes again`()
        async throws
    {
        let bench = try Workbench("sql-reader")
        let node = try node(bench)
        try await node.start()
        try await send(30, from: 0, to: node)
        node.process.kill()
        let files = FileManager.default
        let (folder, temporary) = (bench.path("copies"), bench.path("tmp"))
        try files.createDirectory(atPath: folder, withIntermediateDirectories: false)
        try files.createDirectory(atPath: temporary, withIntermediateDirectories: false)
        for suffix in ["", "-wal"] {
            let copy = "\(folder)/copied.db\(suffix)"
            try files.copyItem(atPath: "\(node.dataFolder)/tenants/default/spool.db\(suffix)", toPath: copy)
            try files.setAttributes([.posixPermissions: 0o644], ofItemAtPath: copy)
        }
        try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder)
        try files.setAttributes([.posixPermissions: 0o777], ofItemAtPath: temporary)
        func asked(_ temporary: String) throws -> (status: Int32, output: String, errors: String) {
            let words =
                OtherUser.nobody.prefix + ["/usr/bin/env", "TMPDIR=\(temporary)", Workbench.holdfast, "sql"] + [
                    "--file", "\(folder)/copied.db", "--format", "csv", "SELECT count(*) AS n FROM points",
                ]
            return try run(words[0], Array(words.dropFirst()))
        }
        let answer = try asked(temporary)
        #expect(answer.status == 0 && answer.output == "n\n30\n", "\(answer)")
        #expect(try files.contentsOfDirectory(atPath: temporary).isEmpty)
        #expect(try files.contentsOfDirectory(atPath: folder).sorted() == ["copied.db", "copied.db-wal"])
        let nowhere = try asked(bench.path("nowhere"))
        #expect(nowhere.status == 1 && nowhere.errors.contains("cannot make a folder in"), "\(nowhere)")
    }

    @Test func `audit says where points went, from whom they came, and whether the books add up`() async throws {
        let bench = try Workbench("audit")
        let node = try node(bench)
        try await node.start()
        try await send(300, from: 0, to: node)
        func audit(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
            try run(Workbench.holdfast, ["audit"] + arguments + ["--data-dir", node.dataFolder])
        }
        let went = try audit("was-it-delivered", "--match", "metric_1", "--from", "1h", "--json")
        #expect(went.status == 0 && went.errors == "")
        #expect(went.output.hasPrefix(#"{"backend":"nobody","fate":"pending","points":100,"#), "\(went)")
        let table = try audit("was-it-delivered", "--match", #"metric_1{n="7"}"#)
        #expect(
            table.output.split(separator: "\n").count == 2 && table.errors.hasPrefix("10 points match; "), "\(table)")
        let nothing = try audit("was-it-delivered", "--match", "nothing")
        #expect(nothing.status == 0 && nothing.output == "" && nothing.errors.hasPrefix("0 points match"), "\(nothing)")
        let sent = try audit("who-sent", "--match", "metric_2", "--json")
        #expect(sent.output.contains(#""source":"json""#) && sent.output.contains(#""points":100"#), "\(sent)")
        let even = try audit("reconcile", "--json")
        let books = #"{"backend":"nobody","owed":300,"delivered":0,"assumed":0,"pending":300,"dead":0,"lost":0,"#
        #expect(even.status == 0 && even.output == books + #""excluded":0,"difference":0}"# + "\n", "\(even)")
        let hour = try audit("reconcile", "--received-from", "1h", "--json")
        let ofTime = books + #""excluded":0,"routed":0,"before":0,"unknown":0}"# + "\n"
        #expect(hour.status == 0 && hour.output == ofTime, "\(hour)")
        let before = try audit("reconcile", "--received-to", "1h")
        #expect(before.status == 0 && before.errors.hasPrefix("0 points accepted"), "\(before)")
        #expect(node.process.stop() == 0)
        let spool = "\(node.dataFolder)/tenants/default/spool.db"
        #expect(try run("/usr/bin/sqlite3", [spool, "UPDATE backends SET delivered_points = 7"]).status == 0)
        let uneven = try audit("reconcile")
        #expect(uneven.status == 1 && uneven.errors.contains("do not add up"), "\(uneven)")
    }

    @Test func `a report of a day is one page, as Markdown, as HTML or as JSON`() async throws {
        let bench = try Workbench("audit-report")
        let node = try node(bench)
        try await node.start()
        try await send(300, from: 0, to: node)
        func report(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
            try run(Workbench.holdfast, ["audit", "report"] + arguments + ["--data-dir", node.dataFolder])
        }
        let markdown = try report()
        #expect(markdown.status == 0 && markdown.errors == "", "\(markdown)")
        #expect(markdown.output.hasPrefix("# Holdfast report: default\n"))
        for part in ["300 points in 1 request of", "| nobody  |", "add up for every backend", "Nothing was lost.", "█"]
        {
            #expect(markdown.output.contains(part), "\(part) in \(markdown.output)")
        }
        let file = bench.path("day.html")
        let html = try report("--from", "24h", "--out", file)
        #expect(html.status == 0 && html.output == "" && html.errors == "the report is in \(file)\n", "\(html)")
        let page = try String(contentsOfFile: file, encoding: .utf8)
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("<svg") && page.hasSuffix("</html>\n"))
        // Again, over the one that is there.
        #expect(try report("--out", file).status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.path("")).count { $0.hasSuffix(".tmp") } == 0)
        let json = try report("--all", "--json").output
        let found = try #require(
            try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect((found["accepted_points"] as? [Int])?.reduce(0, +) == 300)
        let backends = try #require(found["backends"] as? [[String: Any]])
        #expect((backends[0]["owed_points"] as? [Int])?.last == 300)
        let nowhere = try report("--out", bench.path("no/such/folder/x.md"))
        #expect(nowhere.status == 1 && nowhere.errors.contains("cannot be written"), "\(nowhere)")
        let later = try report("--from", "2199-01-01", "--to", "2199-01-02")
        #expect(later.status == 2 && later.errors.contains("before now"), "\(later)")
    }

    @Test func `what goes wrong is said, with exit code 1, and 2 for wrong usage`() async throws {
        let bench = try Workbench("sql-wrong")
        let node = try node(bench)
        try await node.start()
        try await send(30, from: 0, to: node)
        let folder = node.dataFolder
        let mistake = try sql("--data-dir", folder, "SELECT * FORM points")
        #expect(mistake.status == 1)
        #expect(mistake.errors.hasSuffix("\n  SELECT * FORM points\n           ^\n"), "\(mistake.errors)")
        let long = try sql(
            "--data-dir", folder, "--timeout", "50ms",
            "SELECT count(*) FROM points a, points b, points c, points d, points e")
        #expect(long.status == 1 && long.errors.contains("longer than 0.05 seconds"), "\(long.errors)")
        let large = try sql(
            "--data-dir", folder, "--memory", "8MiB",
            "SELECT DISTINCT a.at || b.at || c.at || a.value || b.value || c.value || d.value FROM points a, points b, points c, points d ORDER BY 1"
        )
        #expect(large.status == 1 && large.errors.contains("--memory"), "\(large.errors)")
        #expect(try sql("--data-dir", folder, "DELETE FROM batches").status == 1)
        #expect(try sql("--data-dir", folder, "--tenant", "nobody", "SELECT 1").errors.contains("no spool of a tenant"))
        #expect(try sql("--file", "\(folder)/tenants/default/spool.db", "SELECT 1").errors.contains("in use by a node"))
        #expect(try sql("--format", "xml", "SELECT 1").status == 2)
        #expect(try sql("--data-dir", bench.path("nothing"), "SELECT 1").errors.contains("has no spool"))
        #expect(try sql("--tables").output.contains("dead_letters: "))
        let piped = try run(
            "/bin/sh",
            ["-c", "echo 'SELECT count(*) AS n FROM points' | \(Workbench.holdfast) sql --json --data-dir \(folder)"])
        #expect(piped.output == "{\"n\":30}\n", "\(piped)")
        let cut = try run(
            "/bin/sh",
            [
                "-c",
                "\(Workbench.holdfast) sql --json --data-dir \(folder) 'SELECT a.value FROM points a, points b, points c, points d' | head -n 1",
            ])
        #expect(cut.output == "{\"value\":0}\n" && cut.errors == "", "\(cut)")
        #expect(node.process.isRunning)
    }

    @Test func `taking in goes on while a question runs, and its end lets the log be emptied`() async throws {
        let bench = try Workbench("sql-load")
        let node = try node(bench)
        try await node.start()
        try await send(1000, from: 0, to: node)
        let question = bench.program(
            Workbench.holdfast,
            [
                "sql", "--data-dir", node.dataFolder, "--timeout", "5s",
                "SELECT sum(a.value * b.value) FROM points a, points b, points c",
            ],
            name: "question")
        try question.start()
        var requests = 0
        var answeredMeanwhile = 0
        while question.isRunning {
            try await send(200, from: requests * 200, to: node)
            requests += 1
            if question.isRunning { answeredMeanwhile += 1 }
        }
        #expect(answeredMeanwhile > 0, "\(requests) requests")
        #expect(question.lastWords.contains("longer than 5.0 seconds"), "\(question.lastWords)")
        #expect(try node.status().accepted == 1000 + requests * 200)
    }
}
