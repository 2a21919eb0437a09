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
                "verify: an end of the chain that was noted outside; may be given again, or name a file of what verify, status --json, /metrics or a Prometheus that has them printed."
        ),
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

    private static func anchors(_ given: [String]) throws(UsageError) -> [ChainAnchor] {
        var anchors: [ChainAnchor] = []
        for text in given {
            if let anchor = ChainAnchor(text) {
                anchors.append(anchor)
                continue
            }
            guard let lines = SystemFile.text(text, limit: AnchorFile.maximumBytes) else {
                throw UsageError("--anchor: \"\(text)\" is no LENGTH:HEAD, and no file with anchors")
            }
            do throws(AnchorFile.Mistake) { anchors += try AnchorFile.anchors(in: lines) } catch {
                throw UsageError("--anchor: \(text) has \(error.text)")
            }
        }
        return anchors
    }

    func run() async throws(CommandFailure) {
        let key: ChainKey
        let (spools, remembered): ([SqlSpool], RememberedChains?)
        do throws(CommandFailure) {
            key = try loadKey()
            (spools, remembered) = try find(key)
        } catch { throw CommandFailure(error.description, code: 2) }
        guard spools.count == 1 || anchors.allSatisfy({ $0.tenant != nil }) else {
            throw CommandFailure(
                "--anchor LENGTH:HEAD is of one spool: name it with --tenant, or give a file that says whose they are",
                code: 2)
        }
        let printer = VerifyPrinter(isJSON: isJSON)
        var worst: Int32 = 0
        if let problem = remembered?.problem {
            printer.show(memoryProblem: problem)
            worst = 1
        }
        for spool in spools {
            switch await answer(spool, key, remembered) {
            case .success(let answer):
                printer.show(answer)
                if !answer.isSound { worst = max(worst, 1) }
            case .failure(let error):
                printer.show(error, spool.tenant, namesTenant: choice.isOfMany)
                worst = 2
            }
        }
        if worst > 0 { throw CommandFailure("", code: worst) }
    }

    /// The spools that are there, and those that should be.
    private func find(_ key: ChainKey) throws(CommandFailure) -> ([SqlSpool], RememberedChains?) {
        var remembered: RememberedChains?
        let spools = try choice.spools { (configuration) throws(CommandFailure) in
            let found: RememberedChains
            do throws(AuditError) {
                found = try RememberedChains(
                    in: configuration.dataDirectory, path: configuration.node.chainMemoryFile, key: key)
            } catch { throw CommandFailure(error.message) }
            remembered = found
            // Whoever takes a tenant out of the config may take its folder away.
            guard configuration.file != nil else { return found.tenants + anchors.compactMap(\.tenant) }
            let configured = Set(configuration.tenants.map(\.id))
            return (found.tenants + anchors.compactMap(\.tenant)).filter(configured.contains)
        }
        return (spools, remembered)
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

    private func answer(
        _ spool: SqlSpool, _ key: ChainKey, _ remembered: RememberedChains?
    ) async -> Result<ChainAnswer, AuditError> {
        var expected = ChainExpectation(anchors: anchors, acceptedGaps: accepted)
        if case .tenant(let tenant, let directory) = spool, let remembered {
            let isThere = AuditFile.tenants(in: directory).contains(tenant)
            let isNoted = anchors.contains { $0.tenant == tenant }
            if !isThere, let answer = remembered.missing(tenant, isNoted: isNoted) { return .success(answer) }
            expected = remembered.expect(expected, of: tenant)
        }
        let (limits, isQuiet, expectation) = (limits, isJSON, expected)
        return await SqlThread.run {
            var line = ProgressLine(isQuiet: isQuiet)
            defer { line.end() }
            let began = ContinuousClock.now
            var shown = -1
            return Result { () throws(AuditError) in
                try ChainVerifier.verify(
                    try spool.open(), key: key, expecting: expectation, limits: limits,
                    progress: { share in
                        let percent = Int(share * 100)
                        guard percent != shown else { return }
                        shown = percent
                        line.show("\(percent) %  \(spool.tenant ?? "")", (ContinuousClock.now - began) / .seconds(1))
                    })
            }
        }
    }
}
