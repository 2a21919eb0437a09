import Forwarder
import Testing

@testable import Daemon

@Suite struct YAMLReaderTests {
    private func read(_ text: String, _ limits: YAMLLimits = .standard) throws(SettingsError) -> SettingsNode {
        try YAMLReader.read(Array(text.utf8), limits: limits)
    }

    private func error(_ text: String, _ limits: YAMLLimits = .standard) -> SettingsError? {
        do throws(SettingsError) {
            _ = try read(text, limits)
            return nil
        } catch {
            return error
        }
    }

    @Test func `every value knows its line`() throws {
        let root = try read("a: 1\nb:\n  - x\n  - y: z\n")
        #expect(root.entries.map(\.key) == ["a", "b"])
        #expect(root.entries.map(\.line) == [1, 2])
        guard case .list(let items) = root.entries[1].value.value else {
            Issue.record("b is a list")
            return
        }
        #expect(items.map(\.line) == [3, 4])
        #expect(items[1].child("y")?.line == 4)
    }

    @Test func `quoted and folded values are read as YAML means them`() throws {
        let root = try read("a: \"x\\ty\"\nb: 'it''s'\nc: |\n  one\n  two\n")
        let values = root.entries.map { entry -> String in
            guard case .scalar(let text) = entry.value.value else { return "" }
            return text
        }
        #expect(values == ["x\ty", "it's", "one\ntwo\n"])
    }

    @Test func `an empty file is an empty section`() throws {
        #expect(try read("").entries.isEmpty)
        #expect(try read("# only words\n").entries.isEmpty)
    }

    @Test func `a key given twice is refused with both lines`() {
        let found = error("a: 1\nb: 2\na: 3\n")
        #expect(found?.line == 3)
        #expect(found?.message.contains("first on line 1") == true)
    }

    @Test func `aliases, anchors, tags and a second document are refused where they stand`() {
        #expect(error("a: &x 1\n")?.message.contains("anchors") == true)
        #expect(error("a: 1\nb: *x\n")?.line == 2)
        #expect(error("a: !!int 1\n")?.message.contains("tags") == true)
        #expect(error("a: 1\n---\nb: 2\n")?.message.contains("second document") == true)
    }

    @Test func `broken YAML is refused with its line`() {
        #expect(error("a: 1\nb: [1, 2\nc: 3\n")?.message.contains("not valid YAML") == true)
        #expect(error("a: \"open\n")?.message.contains("not valid YAML") == true)
        #expect(error("\u{1}")?.message.contains("not valid YAML") == true)
        #expect(error("a: 1\n\tb: 2\n")?.line == 2)
    }

    @Test(arguments: ["a:\n\tb: 2\n", "a:\n  b: 1\n\tc: 2\n", "a:\n  \tb: 2\n"])
    func `a tab is called one`(text: String) {
        let found = error(text)
        #expect(found?.message.contains("a tab (column") == true, "\(String(describing: found))")
    }

    @Test func `depth, size and count are bounded before they cost memory`() {
        let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        #expect(error(deep)?.message.contains("deeper") == true)
        #expect(error("[1, 2, 3, 4]", YAMLLimits(nodes: 4))?.message.contains("more than 4") == true)
        #expect(error("a: 12345", YAMLLimits(bytes: 5))?.message.contains("larger than 5") == true)
    }
}
