import Metrics
import WALStore

/// Anchors as they were noted: whatever Holdfast prints one in is read again.
///
/// | printed by | form |
/// | --- | --- |
/// | `audit verify` | `TENANT: anchor LENGTH:HEAD`, among other lines |
/// | `audit verify --json` | a line of JSON a tenant |
/// | `status --json` | the whole of it |
/// | `/metrics` | `holdfast_chain_head_info{head="HEAD",length="LENGTH",tenant="TENANT"} 1`, among other lines |
/// | a Prometheus | the JSON of a query for anchors that went to it (`AnchorAnswer`) |
/// | anybody | `LENGTH:HEAD`, which is of the one spool that is asked |
enum AnchorFile {
    struct Mistake: Error { var text: String }

    static let maximumBytes = 8 << 20
    private static let metric = "holdfast_chain_head_info{"

    /// - Throws: for a text without an anchor, and for a line with half of one: what was noted is not passed over.
    static func anchors(in text: String) throws(Mistake) -> [ChainAnchor] {
        var anchors: [ChainAnchor] = []
        if let whole = json(text[...]) {
            if let answer = try AnchorAnswer.anchors(in: whole) { anchors = answer } else { add(whole, to: &anchors) }
        } else {
            for line in text.split(whereSeparator: \.isNewline) {
                let line = trimmed(line)
                if line.hasPrefix("{"), let value = json(line) {
                    add(value, to: &anchors)
                } else if let anchor = plain(line) ?? sample(line) {
                    anchors.append(anchor)
                } else if hasDigest(line) {
                    throw Mistake(text: "a line that is no anchor: \(line.prefix(60))")
                }
            }
        }
        guard !anchors.isEmpty else { throw Mistake(text: "nothing that is an anchor") }
        return anchors
    }

    private static func json(_ text: Substring) -> JSONValue? {
        do throws(WireError) { return try JSONValue.parse(Array(text.utf8)) } catch { return nil }
    }

    /// Of a tenant's object, or of a list of such in `tenants`; what has no chain is passed over.
    private static func add(_ value: JSONValue, to anchors: inout [ChainAnchor]) {
        for tenant in value["tenants"]?.array ?? [value] {
            let chain = tenant["chain"] ?? tenant
            guard let length = chain["length"]?.int, let head = chain["head"]?.string else { continue }
            let name = tenant["tenant"]?.string
            if let anchor = ChainAnchor("\(length):\(head)", tenant: name) { anchors.append(anchor) }
        }
    }

    /// `LENGTH:HEAD`, or behind `TENANT: anchor `.
    private static func plain(_ line: Substring) -> ChainAnchor? {
        let words = line.split(separator: " ")
        switch words.count {
        case 1: return ChainAnchor(words[0])
        case 3 where words[1] == "anchor" && words[0].hasSuffix(":"):
            return ChainAnchor(words[2], tenant: String(words[0].dropLast()))
        default: return nil
        }
    }

    /// A sample of the metric, with whatever other labels whoever has scraped it added.
    private static func sample(_ line: Substring) -> ChainAnchor? {
        guard line.hasPrefix(metric), let end = line.lastIndex(of: "}") else { return nil }
        var labels: [Substring: Substring] = [:]
        var rest = line.dropFirst(metric.count)[..<end]
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].trimmingPrefix(while: { $0 == "," || $0 == " " })
            let quoted = rest[equals...].dropFirst(2)
            guard let close = quoted.indices.first(where: { isClosing(quoted, $0) }) else { return nil }
            labels[name] = quoted[..<close]
            rest = quoted[close...].dropFirst()
        }
        guard let tenant = labels["tenant"], let length = labels["length"], let head = labels["head"] else {
            return nil
        }
        return ChainAnchor("\(length):\(head)", tenant: String(tenant))
    }

    /// Whether there is a quotation mark that no backslash makes part of the value.
    private static func isClosing(_ value: Substring, _ index: Substring.Index) -> Bool {
        guard value[index] == "\"" else { return false }
        return value[..<index].reversed().prefix { $0 == "\\" }.count % 2 == 0
    }

    private static func trimmed(_ line: Substring) -> Substring {
        var line = line.trimmingPrefix(while: \.isWhitespace)
        while line.last?.isWhitespace == true { line.removeLast() }
        return line
    }

    /// Half of a head, at least.
    private static func hasDigest(_ line: Substring) -> Bool {
        var run = 0
        for character in line {
            run = character.isHexDigit ? run + 1 : 0
            if run == 32 { return true }
        }
        return false
    }
}
