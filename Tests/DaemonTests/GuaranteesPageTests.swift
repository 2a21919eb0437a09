import Testing

@testable import Daemon

/// `docs/guarantees.md` names the test behind each promise, so each of them must be there.
@Suite struct GuaranteesPageTests {
    private static let root = String(#filePath.dropLast("Tests/DaemonTests/GuaranteesPageTests.swift".count))

    private static func text(_ path: String) throws -> String {
        String(decoding: try SystemFile.read(root + path, limit: 1 << 20), as: UTF8.self)
    }

    @Test func `every test that the guarantees name is there, in the file and with the words they say`() throws {
        var proofs = 0
        for line in try Self.text("docs/guarantees.md").split(separator: "\n") where line.hasPrefix("- `Tests/") {
            let parts = line.split(separator: "`", omittingEmptySubsequences: false)
            try #require(parts.count == 5, "\(line)")
            let (file, claim) = (String(parts[1]), parts[3])
            #expect(try Self.text(file).contains("func `\(claim)`"), "\(file) makes no such claim: \(claim)")
            proofs += 1
        }
        #expect(proofs >= 20)
    }

    @Test func `every rule of the store has a test that is there, or is said not to be built`() throws {
        let page = try Self.text("docs/testing.md")
        let part = page.components(between: "## The rules of the store\n", and: "\n## ")
        var rules: Set<Int> = []
        for line in part.split(separator: "\n") where line.hasPrefix("| ") && line.contains("`Tests/") {
            let cells = line.split(separator: "|").map { $0.trimmed }
            try #require(cells.count == 3, "\(line)")
            let named = cells[2].split(separator: "`", omittingEmptySubsequences: false)
            try #require(named.count == 5, "\(line)")
            let (file, claim) = (String(named[1]), named[3])
            #expect(try Self.text(file).contains("func `\(claim)`"), "\(file) makes no such claim: \(claim)")
            rules.insert(try #require(Int(cells[0]), "\(line)"))
        }
        #expect(Set(1...25).subtracting(rules) == [24], "the paragraph above the table names it")
    }

    @Test func `every letter that the table uses has proofs`() throws {
        let page = try Self.text("docs/guarantees.md")
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| ") }
        let used = Set(
            rows.joined().split(separator: "(").dropFirst().flatMap { $0.prefix { $0 != ")" } }
                .filter { ("A"..."Z").contains($0) })
        #expect(used.isSuperset(of: ["A", "B", "C", "D", "E"]))
        for letter in used { #expect(page.contains("\n**\(letter). "), "\(letter) has no proofs") }
    }
}

extension String {
    /// What stands between the first `start` and the first `end` behind it.
    fileprivate func components(between start: String, and end: String) -> Substring {
        guard let from = firstRange(of: start, in: self[...])?.upperBound else { return "" }
        return self[from..<(firstRange(of: end, in: self[from...])?.lowerBound ?? endIndex)]
    }

    private func firstRange(of text: String, in part: Substring) -> Range<Index>? {
        part.firstRange(of: text)
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        let rest = drop { $0 == " " }
        return rest.lastIndex { $0 != " " }.map { rest[...$0] } ?? ""
    }
}
