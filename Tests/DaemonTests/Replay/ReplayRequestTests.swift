import Metrics
import Testing
import WALStore

@testable import Daemon

@Suite struct ReplayRequestTests {
    private static let now: Int64 = 1_800_000_000_000_000_000

    private func mistake(_ words: [(name: String, value: String)]) -> String {
        do throws(LetterRequest.Mistake) {
            _ = try ReplayRequest(words, now: Self.now)
            return ""
        } catch {
            return error.description
        }
    }

    private func usage(_ words: [String]) -> String {
        do throws(UsageError) {
            _ = try ReplayCommand(try Arguments(words, for: ReplayCommand.help))
            return ""
        } catch {
            return error.description
        }
    }

    @Test func `what is sent is what was asked, at whatever time it arrives`() throws {
        let words = [
            ("tenant", "acme"), ("backend", "central"), ("match", #"up{job=~"a|b"}"#), ("from", "2026-01-31"),
            ("to", "24h"), ("received-from", "7d"), ("rate", "5000"),
        ]
        let request = try ReplayRequest(words.map { (name: $0.0, value: $0.1) }, now: Self.now)
        #expect(request.times == 1_769_817_600_000_000_000..<Self.now - 86_400_000_000_000)
        #expect(request.received == Self.now - 7 * 86_400_000_000_000..<Int64.max)
        let again = try ReplayRequest(request.words, now: 0)
        #expect(again.order(asked: "x") == request.order(asked: "x"))
        #expect(again.tenant == "acme")
    }

    @Test func `a mistake is told with the word it is in`() {
        #expect(mistake([("backends", "x")]).contains("\"backends\" is not known"))
        #expect(mistake([]).hasPrefix("backend must be given"))
        #expect(mistake([("backend", "b"), ("rate", "fast")]).hasPrefix("rate: "))
        #expect(mistake([("backend", "b"), ("rate", "0")]).hasPrefix("rate: "))
        #expect(mistake([("backend", "b"), ("from", "1h"), ("to", "2h")]) == "from must lie before to")
    }

    @Test func `the command's words are those of what it is to do`() {
        #expect(usage(["--backend", "central", "--from", "1h", "--dry-run"]) == "")
        #expect(usage(["start", "--backend", "central", "--detach"]) == "")
        #expect(usage(["list", "--tenant", "acme"]) == "")
        #expect(usage(["pause", "acme/3"]) == "")
        #expect(usage(["show", "3", "--tenant", "acme"]) == "")
        #expect(usage([]).contains("backend must be given"))
        #expect(usage(["stop"]).contains("not \"stop\""))
        #expect(usage(["cancel"]).contains("needs the ID"))
        #expect(usage(["list", "--backend", "central"]) == "--backend is for holdfast replay start")
        #expect(usage(["pause", "acme/3", "--dry-run"]) == "--dry-run is for holdfast replay start")
        #expect(usage(["list", "acme/3"]).contains("takes no argument"))
    }

    @Test func `a progress line has a bar, a rate and what is left`() {
        let job = JSONValue.map([
            "state": .string("running"), "span_points": .int(1000), "passed_points": .int(500),
            "sent_points": .int(1200),
            "points_per_second": .double(50), "delivery": .string("ok"),
        ])
        #expect(
            ReplayFollow.text(job, since: 0.25, 10)
                == "[###############...............]  50 %  1,200 sent  50/s  about 20s left")
        let waiting = JSONValue.map([
            "state": .string("running"), "span_points": .int(10), "passed_points": .int(0),
            "delivery": .string("held: HTTP 401\u{1B}"),
        ])
        #expect(ReplayFollow.text(waiting, since: 0, 10).hasSuffix("0 %  0 sent  held: HTTP 401\\u{1b}"))
        #expect(
            ReplayView.outcome(
                .map(["selected_points": .int(1200), "sent_points": .int(1190), "dead_points": .int(10)]))
                == "1,200 selected = 1,190 sent + 10 dead")
    }
}
