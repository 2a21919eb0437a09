import Metrics
import WALStore

/// How `holdfast audit report` is written, and to where.
struct ReportForm: Sendable {
    enum Format: String, CaseIterable, Sendable { case markdown, html, json }

    let format: Format
    /// nil: standard output.
    let file: String?

    static let options = [
        CommandHelp.Option(
            name: "--format", value: "FORM",
            text: "Of a report: markdown, html or json. Default: markdown, or what the name of --out ends with."),
        CommandHelp.Option(
            name: "--out", value: "FILE",
            text: "Write the report to this file, in one step: who reads it never sees half of one."),
    ]

    init(_ arguments: Arguments) throws(UsageError) {
        file = arguments.value("--out")
        let isJSON = arguments.flag("--json")
        guard let word = arguments.value("--format") else {
            let isHTML = file?.hasSuffix(".html") == true || file?.hasSuffix(".htm") == true
            format = isJSON || file?.hasSuffix(".json") == true ? .json : isHTML ? .html : .markdown
            return
        }
        guard let format = Format(rawValue: word), !isJSON || format == .json else {
            throw UsageError("--format is one of markdown, html and json")
        }
        self.format = format
    }

    func write(_ reports: [SpoolReport], madeAt: Int64) throws(CommandFailure) {
        let text =
            switch format {
            case .markdown:
                reports.map { MarkdownPage.text(ReportContent.page($0, madeAt: madeAt)) }.joined(separator: "\n")
            case .html: HTMLPage.text(reports.map { ReportContent.page($0, madeAt: madeAt) })
            case .json: reports.map { $0.json.rendered + "\n" }.joined()
            }
        guard let file else { return Terminal.print(text) }
        do throws(FileError) { try SystemFile.replace(file, with: text) } catch {
            throw CommandFailure("the report cannot be written: \(error)")
        }
        Terminal.printError("the report is in \(file)\n")
    }
}
