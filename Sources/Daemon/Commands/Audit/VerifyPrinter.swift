import Metrics
import WALStore

/// Prints the answers of `audit verify`: lines for people, or a line of JSON a spool.
struct VerifyPrinter: Sendable {
    let isJSON: Bool

    func show(_ answer: ChainAnswer) {
        if isJSON { return Terminal.print(answer.json.rendered + "\n") }
        let tenant = Terminal.harmless(answer.tenant)
        func line(_ text: String) { Terminal.print("\(tenant): \(text)\n") }
        for finding in answer.findings {
            let row = finding.row.map { " \($0)" } ?? ""
            line("\(finding.kind.rawValue.uppercased()): \(finding.table)\(row): \(Terminal.harmless(finding.text))")
        }
        if answer.unlistedFindings > 0 { line("and \(Amount.count(Int64(answer.unlistedFindings), "finding")) more") }
        for note in answer.notes { line(Terminal.harmless(note)) }
        for (count, meaning) in VerifyPrinter.counts(answer) where count > 0 { line(meaning) }
        let findings = Int64(answer.findings.count + answer.unlistedFindings)
        let verdict = answer.isSound ? "no sign of tampering" : Amount.count(findings, "finding")
        guard answer.wall > 0 else { return line(verdict) }
        let rows =
            "\(Amount.count(answer.soundRows, "row")) \(answer.soundRows == 1 ? "is as it was" : "are as they were") written"
        line("\(verdict); \(rows), up to \(RFC3339.format(answer.wall))")
        guard answer.status.length > 0 else { return }
        line("anchor \(answer.status.length):\(answer.status.head)")
        line(
            answer.anchors == 0
                ? "that all of it was not rolled back to a former state shows only against an --anchor noted elsewhere"
                : "\(answer.confirmedAnchors) of \(Amount.count(Int64(answer.anchors), "anchor")) \(answer.anchors == 1 ? "is a link" : "are links") of this chain"
        )
    }

    /// What the node remembers of its chains proves nothing.
    func show(memoryProblem problem: String) {
        guard isJSON else { return Terminal.print("CHAINS: \(Terminal.harmless(problem))\n") }
        let value = JSONValue.map(["tenant": .null, "sound": .bool(false), "error": .string(problem)])
        Terminal.print(value.rendered + "\n")
    }

    func show(_ error: AuditError, _ tenant: String?, namesTenant: Bool) {
        if isJSON {
            let failure = JSONValue.map([
                "tenant": tenant.map(JSONValue.string), "sound": .null, "error": .string(error.message),
            ])
            Terminal.print(failure.rendered + "\n")
        }
        let whose = namesTenant ? tenant.map { "\($0): " } ?? "" : ""
        Terminal.printError("holdfast: \(whose)\(error.message)\n")
    }

    /// Numbers that say what was not proven, with what they mean.
    private static func counts(_ answer: ChainAnswer) -> [(Int64, String)] {
        func rows(_ count: Int64, _ one: String, _ many: String) -> (Int64, String) {
            (count, "\(Amount.count(count, "row")) \(count == 1 ? one : many)")
        }
        return [
            rows(
                answer.uncoveredRows, "has no tag: it was written before the chain, or without the key",
                "have no tag: they were written before the chain, or without the key"),
            rows(
                answer.formerRows,
                "is of before the chain began again: it was not altered; that none is missing is not proven",
                "are of before the chain began again: none was altered; that none is missing is not proven"),
            rows(
                answer.uncheckedRows, "is of an epoch of the key before this one: --key with an earlier key checks it",
                "are of epochs of the key before this one: --key with an earlier key checks them"),
            (
                answer.uncheckedLinks,
                "\(Amount.count(answer.uncheckedLinks, "link")) \(answer.uncheckedLinks == 1 ? "is" : "are") of an epoch of the key before this one"
            ),
        ]
    }
}

extension ChainAnswer {
    fileprivate var json: JSONValue {
        .map([
            "tenant": .string(tenant), "sound": .bool(isSound), "length": .int(status.length),
            "head": .string(status.head), "ledger_version": .int(version),
            "time": wall > 0 ? .string(RFC3339.format(wall)) : .null,
            "findings": .array(
                findings.map {
                    .map([
                        "kind": .string($0.kind.rawValue), "table": .string($0.table),
                        "row": $0.row.map { .int($0) } ?? .null, "text": .string($0.text),
                    ])
                }),
            "unlisted_findings": .int(Int64(unlistedFindings)), "sound_rows": .int(soundRows),
            "uncovered_rows": .int(uncoveredRows), "former_rows": .int(formerRows),
            "unchecked_rows": .int(uncheckedRows), "unchecked_links": .int(uncheckedLinks),
            "anchors": .int(Int64(anchors)), "confirmed_anchors": .int(Int64(confirmedAnchors)),
            "notes": .array(notes.map(JSONValue.string)),
        ])
    }
}
