import Metrics
import Testing
import WALStore

@testable import Daemon

@Suite struct LetterRequestTests {
    private static let now: Int64 = 1_800_000_000_000_000_000

    private func mistake(_ words: [(name: String, value: String)]) -> String {
        do throws(LetterRequest.Mistake) {
            _ = try LetterRequest(words, now: Self.now)
            return ""
        } catch {
            return error.description
        }
    }

    @Test func `what is sent is what was asked`() throws {
        let words = [
            ("tenant", "acme"), ("backend", "central"), ("reason", "refused"), ("match", #"up{job=~"a|b",x!=""}"#),
            ("from", "2026-01-31"), ("to", "24h"), ("buried-from", "2026-01-31T12:00:00.000000001Z"),
            ("after", "acme/7"), ("until", "acme/9"),
            ("limit", "3"),
        ]
        let request = try LetterRequest(words.map { (name: $0.0, value: $0.1) }, now: Self.now)
        #expect(request.filter.times == 1_769_817_600_000_000_000..<Self.now - 86_400_000_000_000)
        let again = try LetterRequest(request.words, now: 0)
        #expect(again.filter == request.filter)
        #expect(again.tenant == "acme" && again.after == LetterID(tenant: "acme", number: 7) && again.limit == 3)
        #expect(again.filter.buried?.upperBound == .max && again.filter.until == 9)
    }

    @Test func `a mistake is told with the word it is in`() {
        #expect(mistake([("backends", "x")]).contains("\"backends\" is not known"))
        #expect(mistake([("match", "up{")]).hasPrefix("match: "))
        #expect(mistake([("from", "yesterday")]).hasPrefix("from: "))
        #expect(mistake([("from", "1h"), ("to", "2h")]) == "from must lie before to")
        #expect(mistake([("after", "7")]).hasPrefix("after: "))
        #expect(mistake([("tenant", "acme"), ("after", "other/7")]).contains("is not of tenant acme"))
        #expect(mistake([("tenant", "acme"), ("until", "other/7")]).contains("is not of the tenant"))
        #expect(mistake([("until", "acme/7")]).contains("is not of the tenant"))
        #expect(mistake([("limit", "0")]).hasPrefix("limit: "))
        #expect(mistake([("limit", "1001")]).hasPrefix("limit: "))
    }

    private func usage(_ words: String...) -> String {
        do throws(UsageError) {
            _ = try DeadCommand(Arguments(words, for: DeadCommand.help))
            return ""
        } catch {
            return error.description
        }
    }

    @Test func `the command line says what goes with what`() {
        #expect(usage("list", "--match", "up", "--from", "24h", "--limit", "3") == "")
        #expect(usage("show", "acme/1") == "")
        #expect(usage("show", "1", "--tenant", "acme") == "")
        #expect(usage("show", "1").contains("as list prints it"))
        #expect(usage().contains("list, show, export, redrive and purge"))
        #expect(usage("list", "x").contains("takes no argument"))
        #expect(usage("list", "--assumed", "--backend", "a", "--buried-from", "24h") == "")
        #expect(usage("list", "--assumed", "--match", "up").hasPrefix("--match: not of what is assumed"))
        #expect(usage("list", "--assumed", "--to", "1h").hasPrefix("--to: not of what is assumed"))
        #expect(usage("export", "--assumed") == "--assumed is for holdfast dead list")
        #expect(usage("list", "--yes").contains("is for holdfast dead purge"))
        #expect(usage("purge", "--limit", "3").contains("--limit is for"))
        #expect(usage("export", "--match", "up{").hasPrefix("--match: "))
    }

    @Test func `what a re-drive is asked comes to the daemon as it was meant`() throws {
        let words = [
            ("tenant", "acme"), ("backend", "central"), ("after", "acme/7"), ("send-to", "other"),
            ("rename", "path=route,__name__=job"), ("drop-label", "pod,node"), ("truncate", "url=100,path=0"),
            ("earliest", "24h"), ("latest", "0s"),
        ]
        let request = try RedriveRequest(words.map { (name: $0.0, value: $0.1) }, now: Self.now)
        #expect(request.repair.renames == [.init(from: "path", to: "route"), .init(from: "__name__", to: "job")])
        #expect(request.repair.drops == ["pod", "node"])
        #expect(request.repair.truncations == [.init(name: "url", bytes: 100), .init(name: "path", bytes: 0)])
        #expect(request.repair.earliest == Self.now - 86_400_000_000_000 && request.repair.latest == Self.now)
        let again = try RedriveRequest(request.words, now: 0)
        #expect(again.repair == request.repair && again.target == "other" && again.letters.tenant == "acme")
        #expect(again.letters.filter == request.letters.filter)
        #expect(again.letters.after == LetterID(tenant: "acme", number: 7))
        #expect(try RedriveRequest([(name: "backend", value: "central")], now: 0).target == "central")
    }

    @Test func `a repair that cannot be understood is told`() {
        func mistake(_ name: String, _ value: String) -> String {
            do throws(LetterRequest.Mistake) {
                _ = try RedriveRequest([(name: name, value: value)], now: Self.now)
                return ""
            } catch {
                return error.description
            }
        }
        #expect(mistake("rename", "a") == "rename: \"a\" is not of the form old=new")
        #expect(mistake("rename", "a=") == "rename: \"a=\" is not of the form old=new")
        #expect(mistake("truncate", "a=x") == "truncate: \"x\" is no number of bytes")
        #expect(mistake("truncate", "a=-1") == "truncate: \"-1\" is no number of bytes")
        #expect(mistake("earliest", "soon").hasPrefix("earliest: "))
        #expect(usage("redrive").contains("needs --send-to or --backend"))
        #expect(usage("redrive", "--backend", "a", "--earliest", "1h", "--latest", "2h").contains("must not lie after"))
        #expect(usage("redrive", "--backend", "a", "--dry-run", "--truncate", "path=9") == "")
        #expect(usage("list", "--rename", "a=b") == "--rename is for holdfast dead redrive")
        #expect(usage("redrive", "--backend", "a", "--yes").contains("is for holdfast dead purge"))
    }

    @Test func `text of strangers does not steer a terminal`() {
        #expect(Terminal.harmless("a\u{1B}[2Jb\nc\u{202E}ä") == "a\\u{1b}[2Jb c\\u{202e}ä")
    }

    @Test func `a query is escaped byte by byte`() {
        #expect(
            LetterReader.encoded(#"up{a=~"ä"}&b+c d"#)
                == "up%7Ba%3D~%22%C3%A4%22%7D%26b%2Bc%20d".replacing("~", with: "%7E"))
    }

    @Test func `a long table keeps its columns as wide as they were`() {
        var table = TextTable([("A", .left), ("B", .right)])
        var widths: [Int] = []
        table.add(["long", "1"])
        #expect(table.takeText(&widths) == "A     B\nlong  1\n")
        table.add(["x", "22"])
        #expect(table.takeText(&widths) == "x     22\n")
    }

    @Test func `a full disk is answered with what to do about it`() {
        let reply = Reply.failure(SpoolError(.full, "the disk is full"), dataDirectory: "/data")
        guard case .problem(let problem) = reply.body else { return #expect(Bool(false), "\(reply.body)") }
        let text = String(decoding: problem.rendered(requestID: "id"), as: UTF8.self)
        #expect(reply.status == 503 && text.contains("Free some on the disk of /data"), "\(text)")
    }

    @Test func `letters that cannot be read are told of, with what ends them`() {
        let list = DeadList(isJSON: false, limit: .max)
        #expect(list.summary(2, unreadable: 0, isWhole: true) == "2 dead letters\n")
        #expect(list.summary(2, unreadable: 1, isWhole: true).contains("1 of them cannot be read any more"))
    }

    @Test func `a backend or a reason that is none is told with those that are`() throws {
        #expect(mistake([("reason", "refusd")]).contains("is none: refused, stuck, too_large, failure_store"))
        let request = try LetterRequest([(name: "backend", value: "centrl")], now: Self.now)
        let strange = try #require(request.strangeBackend(known: ["files", "central", "files"]))
        #expect(strange.description == "backend: there is no \"centrl\": central, files; did you mean central?")
        #expect(request.strangeBackend(known: ["centrl"]) == nil)
    }
}
