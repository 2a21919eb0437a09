import Testing
import WALStore

@testable import Daemon

/// Whatever Holdfast prints an anchor in, `audit verify --anchor FILE` reads.
@Suite struct AnchorFileTests {
    private static let head = String(repeating: "0123456789abcdef", count: 4)
    private static let other = String(repeating: "fedcba9876543210", count: 4)

    private func anchors(_ text: String) throws -> [String] {
        try AnchorFile.anchors(in: text).map { "\($0.tenant ?? "-") \($0.length) \($0.head)" }
    }

    @Test func `bare ones, a line each`() throws {
        #expect(
            try anchors("12:\(Self.head)\n  13:\(Self.other)\r\n\n") == ["- 12 \(Self.head)", "- 13 \(Self.other)"])
    }

    @Test func `of audit verify, among its other lines`() throws {
        let text = """
            acme: 3 rows have no tag: they were written before the chain, or without the key
            acme: no sign of tampering; 12 rows are as they were written, up to 2026-01-31T00:00:00Z
            acme: anchor 12:\(Self.head)
            acme: that all of it was not rolled back to a former state shows only against an --anchor noted elsewhere
            base: anchor 7:\(Self.other)
            """
        #expect(try anchors(text) == ["acme 12 \(Self.head)", "base 7 \(Self.other)"])
    }

    @Test func `of audit verify --json, a line a tenant`() throws {
        let text = """
            {"tenant":"acme","sound":true,"length":12,"head":"\(Self.head)","findings":[]}
            {"tenant":"cafe","sound":null,"error":"the spool has no chain"}
            {"tenant":"base","sound":false,"length":0,"head":"","findings":[]}
            """
        #expect(try anchors(text) == ["acme 12 \(Self.head)"])
    }

    @Test func `of status --json`() throws {
        let text = """
            {
              "tenants": [
                { "tenant": "acme", "chain": { "length": 12, "head": "\(Self.head)" } },
                { "tenant": "base", "chain": null }
              ]
            }
            """
        #expect(try anchors(text) == ["acme 12 \(Self.head)"])
    }

    @Test func `of a page of metrics, with the labels of whoever scraped it`() throws {
        let text = """
            # HELP holdfast_chain_head_info Always 1; the labels are an anchor of the spool's chain.
            # TYPE holdfast_chain_head_info gauge
            holdfast_chain_length{tenant="acme"} 12
            holdfast_chain_head_info{tenant="acme",length="12",head="\(Self.head)"} 1
            holdfast_chain_head_info{head="\(Self.other)", instance="a\\"}b", length="7", tenant="base"} 1
            """
        #expect(try anchors(text) == ["acme 12 \(Self.head)", "base 7 \(Self.other)"])
    }

    @Test(arguments: [
        "", "nothing", "12:0123", "12:\(head)0", "acme: anchor \(head)", "holdfast_chain_head_info{tenant=\"a\"} 1",
        "holdfast_chain_head_info{tenant=\"a\",length=\"x\",head=\"\(head)\"} 1", "12:\(other)\n13:\(head.dropLast())",
        "{}",
    ])
    func `what is half an anchor is a mistake, and so is a file without any`(_ text: String) {
        #expect(throws: AnchorFile.Mistake.self) { try AnchorFile.anchors(in: text) }
    }
}
