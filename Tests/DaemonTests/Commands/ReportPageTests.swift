import Testing
import WALStore

@testable import Daemon

/// A report as Markdown and as HTML.
struct ReportPageTests {
    private static let minute: Int64 = 60_000_000_000
    private let span = ReportSpan(1_800_000_000_000_000_000..<1_800_000_000_000_000_000 + 4 * ReportPageTests.minute)

    private func page(_ texts: [String]) -> ReportPage {
        var page = ReportPage(title: texts[0])
        page.parts = [
            .heading("Numbers"), .text("Some words."),
            .table(
                ReportTable(header: [("Name", .left), ("Points", .right)], rows: texts.map { [$0, "7"] })),
            .chart(
                ReportChart(
                    "Points in", .rate, span, texts.map { ($0, [0, 60, 600, 1200]) })),
        ]
        return page
    }

    @Test func `Markdown has tables with straight columns and charts of bars`() {
        let text = MarkdownPage.text(page(["acme"]))
        #expect(
            text == """
                # acme

                ## Numbers

                Some words.

                | Name | Points |
                | ---- | -----: |
                | acme |      7 |

                Points in; the highest bar is 20/s.

                ```
                acme  ·▁▅█  20/s at most
                      01-15 08:00 01-15 08:04
                ```

                """)
    }

    private static let strange = [
        "<script>alert(1)</script>", "a|b", "`tick`", "[link](http://x)", "![x](http://x)", "\u{1B}[31mred",
        "line\nbreak",
        "\" onload=\"x", "' onload='x", "&amp;", "```",
    ]

    @Test(arguments: ReportPageTests.strange)
    func `text of strangers is text in HTML`(_ text: String) {
        let html = HTMLPage.text([page([text])])
        #expect(!html.contains("<script") && !html.contains("\u{1B}") && !html.contains("onload=\"x\""))
        // Every quote, bracket and ampersand of it is written out, wherever it stands.
        let known = HTMLPage.escaped(text)
        #expect(!known.contains { "<>\"'\n\u{1B}".contains($0) })
        #expect(html.contains("<td>\(known)</td>"))
        #expect(html.contains("<title>\(known)</title>"))
    }

    @Test(arguments: ReportPageTests.strange)
    func `text of strangers is text in Markdown`(_ text: String) {
        let markdown = MarkdownPage.text(page([text]))
        let rows = markdown.split(separator: "\n").filter { $0.hasPrefix("|") }
        #expect(rows.count == 3)
        for row in rows {
            var bars = 0
            var isEscaped = false
            for character in row {
                if character == "|", !isEscaped { bars += 1 }
                isEscaped = character == "\\" && !isEscaped
            }
            #expect(bars == 3, "\(row)")
        }
        #expect(markdown.split(separator: "\n", omittingEmptySubsequences: false).count { $0 == "```" } == 2)
        #expect(!markdown.contains("\u{1B}"))
    }

    @Test func `HTML is whole: nothing is loaded, and every element that begins ends`() {
        let html = HTMLPage.text([page(["a", "b"]), page(["c"])])
        #expect(!html.contains("http") || html.contains("http-equiv"))
        #expect(!html.contains("src="))
        for tag in ["html", "head", "body", "main", "table", "thead", "tbody", "figure", "svg", "h1", "p", "title"] {
            let begun = html.split(separator: "<\(tag)").count - 1
            let ended = html.split(separator: "</\(tag)>", omittingEmptySubsequences: false).count - 1
            #expect(ended > 0 && begun >= ended, "\(tag): \(begun) begin, \(ended) end")
        }
        // A place that a chart cannot draw would stop it there.
        #expect(!html.contains("nan") && !html.contains("inf"))
    }

    @Test(arguments: [("_a_b_", "\\_a_b\\_"), ("prometheus_remote_write", "prometheus_remote_write"), ("a*b", "a\\*b")])
    func `an underscore inside a word stands as it is`(_ text: String, _ escaped: String) {
        #expect(MarkdownPage.escaped(text) == escaped)
    }

    @Test func `a chart of nothing has its grid and its axis`() {
        let html = SVGChart.figure(ReportChart("Nothing", .points, span, [("a", [0, 0, 0, 0])]))
        #expect(html.contains("0 at most") && html.contains("08:03") && !html.contains("nan"))
    }

    private static let short: [(Double, String)] = [
        (0.0, "0"), (0.25, "0.25"), (17, "17"), (17.25, "17.3"), (1200, "1.2k"), (999_999, "1000k"),
        (3_400_000, "3.4M"),
        (5e12, "5T"),
    ]

    @Test(arguments: short)
    func `values are short`(_ value: Double, _ text: String) {
        #expect(ReportChart("", .points, span, []).label(value) == text)
    }
}
