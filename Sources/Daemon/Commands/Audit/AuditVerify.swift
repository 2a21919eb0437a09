import Metrics
import WALStore

/// `holdfast audit verify`: whether the rows of a spool are those that the node wrote.
///
/// Ends with 0 when they are, with 1 when something is not, and with 2 when that cannot be said.
struct AuditVerify: Sendable {
    static let options = [
        CommandHelp.Option(
            name: "--key", value: "FILE",
            text: "verify: the key, or an earlier one of the same node. Default: that of the config."),
        CommandHelp.Option(
            name: "--anchor", value: "LENGTH:HEAD",
            text:
                "verify: an end of the chain that was noted outside; may be given again, or name a file of such lines."),
        CommandHelp.Option(
            name: "--accept-gaps", value: "LENGTH",
            text: "verify: times without the key are known about, up to this link."),
        CommandHelp.Option(name: "--next", value: "FILE", text: "key: make the next epoch's key of this one."),
    ]

    private let choice: SpoolChoice
    private let options: ConfigurationOptions
    private let keyFile: String?
    private let anchors: [ChainAnchor]
    private let accepted: Int64
    private let limits: AuditLimits
    private let isJSON: Bool

    init(_ arguments: Arguments, _ choice: SpoolChoice) throws(UsageError) {
        self.choice = choice
        options = ConfigurationOptions(arguments)
        keyFile = arguments.value("--key")
        anchors = try AuditVerify.anchors(arguments.all("--anchor"))
        var limits = try arguments.auditLimits()
        // All of a spool is read: what half a minute is enough for is not worth it.
        if arguments.value("--timeout") == nil { limits.time = .seconds(3600) }
        self.limits = limits
        isJSON = arguments.flag("--json")
        guard let text = arguments.value("--accept-gaps") else {
            accepted = 0
            return
        }
        guard let length = Int64(text), length > 0 else {
            throw UsageError("--accept-gaps is the number of a link, as verify names it")
        }
        accepted = length
    }

    private static let maximumAnchorBytes = 8 << 20

    private static func anchors(_ given: [String]) throws(UsageError) -> [ChainAnchor] {
        var anchors: [ChainAnchor] = []
        for text in given {
            if let anchor = ChainAnchor(text) {
                anchors.append(anchor)
                continue
            }
            guard let lines = SystemFile.text(text, limit: maximumAnchorBytes) else {
                throw UsageError("--anchor: \"\(text)\" is no LENGTH:HEAD, and no file of such lines")
            }
            for line in lines.split(whereSeparator: \.isNewline) {
                guard let anchor = ChainAnchor(line.trimmingPrefix(while: \.isWhitespace)) else {
                    throw UsageError("--anchor: \(text) has a line that is no LENGTH:HEAD: \(line.prefix(40))")
                }
                anchors.append(anchor)
            }
        }
        return anchors
    }

    func run() async throws(CommandFailure) {
        let spools: [SqlSpool]
        let key: ChainKey
        do throws(CommandFailure) {
            spools = try choice.spools()
            key = try loadKey()
        } catch { throw CommandFailure(error.description, code: 2) }
        guard anchors.isEmpty || spools.count == 1 else {
            throw CommandFailure("--anchor is of one spool: name it with --tenant", code: 2)
        }
        var worst: Int32 = 0
        for spool in spools {
            switch await answer(spool, key) {
            case .success(let answer):
                show(answer)
                if !answer.isSound { worst = max(worst, 1) }
            case .failure(let error):
                let whose = choice.isOfMany ? spool.tenant.map { "\($0): " } ?? "" : ""
                if isJSON {
                    let failure = JSONValue.map([
                        "tenant": spool.tenant.map(JSONValue.string), "sound": .null,
                        "error": .string(error.message),
                    ])
                    Terminal.print(failure.rendered + "\n")
                }
                Terminal.printError("holdfast: \(whose)\(error.message)\n")
                worst = 2
            }
        }
        if worst > 0 { throw CommandFailure("", code: worst) }
    }

    private func loadKey() throws(CommandFailure) -> ChainKey {
        let path: String
        if let keyFile {
            path = keyFile
        } else {
            let chain = try options.loadForData().chain
            guard let file = chain.keyFile else {
                throw CommandFailure("which key? --key FILE, or --config with chain.key_file")
            }
            path = file
        }
        do throws(ChainKeyFile.Failure) { return try ChainKeyFile.read(path) } catch {
            throw CommandFailure("the key cannot be read: \(error)")
        }
    }

    private func answer(_ spool: SqlSpool, _ key: ChainKey) async -> Result<ChainAnswer, AuditError> {
        let (anchors, accepted, limits, isQuiet) = (anchors, accepted, limits, isJSON)
        return await SqlThread.run {
            var line = ProgressLine(isQuiet: isQuiet)
            defer { line.end() }
            let began = ContinuousClock.now
            var shown = -1
            return Result { () throws(AuditError) in
                try ChainVerifier.verify(
                    try spool.open(), key: key, anchors: anchors, acceptingGapsBefore: accepted, limits: limits,
                    progress: { share in
                        let percent = Int(share * 100)
                        guard percent != shown else { return }
                        shown = percent
                        line.show("\(percent) %  \(spool.tenant ?? "")", (ContinuousClock.now - began) / .seconds(1))
                    })
            }
        }
    }

    // MARK: Printing

    private func show(_ answer: ChainAnswer) {
        if isJSON { return Terminal.print(answer.json.rendered + "\n") }
        let tenant = Terminal.harmless(answer.tenant)
        for finding in answer.findings {
            let row = finding.row.map { " \($0)" } ?? ""
            Terminal.print(
                "\(tenant): \(finding.kind.rawValue.uppercased()): \(finding.table)\(row): \(Terminal.harmless(finding.text))\n"
            )
        }
        if answer.unlistedFindings > 0 {
            Terminal.print("\(tenant): and \(Amount.count(Int64(answer.unlistedFindings))) findings more\n")
        }
        for note in answer.notes { Terminal.print("\(tenant): \(Terminal.harmless(note))\n") }
        for (count, meaning) in AuditVerify.counts(answer) where count > 0 {
            Terminal.print("\(tenant): \(Amount.count(count)) \(meaning)\n")
        }
        let rows = "\(Amount.count(answer.soundRows)) rows are as they were written"
        let verdict =
            answer.isSound
            ? "no sign of tampering" : "\(answer.findings.count + answer.unlistedFindings) findings"
        Terminal.print("\(tenant): \(verdict); \(rows), up to \(RFC3339.format(answer.wall))\n")
        guard answer.status.length > 0 else { return }
        Terminal.print("\(tenant): anchor \(answer.status.length):\(answer.status.head)\n")
        if anchors.isEmpty {
            Terminal.print(
                "\(tenant): that all of it was not rolled back to a former state shows only against an --anchor noted elsewhere\n"
            )
        } else {
            Terminal.print(
                "\(tenant): \(answer.confirmedAnchors) of \(anchors.count) anchors are links of this chain\n")
        }
    }

    private static func counts(_ answer: ChainAnswer) -> [(Int64, String)] {
        [
            (answer.uncoveredRows, "rows have no tag: they were written before the chain, or without the key"),
            (
                answer.formerRows,
                "rows are of before the chain began again: none was altered; that none is missing is not proven"
            ),
            (
                answer.uncheckedRows,
                "rows are of epochs of the key before this one: --key with an earlier key checks them"
            ),
            (answer.uncheckedLinks, "links are of epochs of the key before this one"),
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
            "confirmed_anchors": .int(Int64(confirmedAnchors)), "notes": .array(notes.map(JSONValue.string)),
        ])
    }
}
