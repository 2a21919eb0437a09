import Testing

@testable import Daemon

/// Keys become a line.
struct LineEditorTests {
    private func typed(_ keys: String, history: [String] = []) -> (LineEditor, [LineEditor.Event]) {
        var editor = LineEditor(history: history)
        let events = keys.utf8.compactMap { editor.feed($0) }
        return (editor, events.filter { $0 != .changed })
    }

    private func line(_ keys: String, history: [String] = []) -> String? {
        guard case .line(let text)? = typed(keys + "\r", history: history).1.last else { return nil }
        return text
    }

    private static let (up, down, right, left) = ("\u{1b}[A", "\u{1b}[B", "\u{1b}[C", "\u{1b}[D")

    @Test func `what is typed is what is read, also where it is mended`() {
        #expect(line("SELECT 1;") == "SELECT 1;")
        #expect(line("größe \u{1F600}") == "größe \u{1F600}")
        #expect(line("abd\(Self.left)c") == "abcd")
        #expect(line("abcx\u{7f}d") == "abcd")
        #expect(line("bcd\u{01}a\u{05}e") == "abcde")
        #expect(line("abxcd\(Self.left)\(Self.left)\(Self.left)\u{1b}[3~") == "abcd")
        #expect(line("one two  three\u{17}x") == "one two  x")
        #expect(line("keep\u{01}\(Self.right)\u{0b}") == "k")
        #expect(line("away\u{15}") == "")
        #expect(line("a\tb") == "a b")
        #expect(line("one two\u{1b}[1;5Dx\u{1b}[Hy\u{1b}[Fz") == "yone xtwoz")
    }

    @Test func `the arrows bring back what was typed before, and then what was being typed`() {
        let history = ["first", "second"]
        #expect(line(Self.up, history: history) == "second")
        #expect(line(Self.up + Self.up, history: history) == "first")
        #expect(line(Self.up + Self.up + Self.up, history: history) == "first")
        #expect(line("half" + Self.up + Self.down, history: history) == "half")
        #expect(line(Self.up + "!", history: history) == "second!")
    }

    @Test func `only what is new is remembered, and so much of it`() {
        var editor = LineEditor(history: ["a", "b"])
        #expect(!editor.remember("b", limit: 3) && !editor.remember("  ", limit: 3))
        #expect(editor.remember("a", limit: 3) && editor.remember("c", limit: 3))
        #expect(editor.history == ["b", "a", "c"])
    }

    @Test func `control-C gives a line up, control-D ends in an empty one`() {
        #expect(typed("abc\u{03}").1 == [.abandoned])
        #expect(typed("abc\u{04}").1 == [])
        #expect(typed("\u{04}").1 == [.end])
        #expect(typed("abc\u{03}\u{04}").1 == [.abandoned, .end])
    }

    @Test func `no byte is too odd`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var editor = LineEditor(history: ["one", "two"])
            for _ in 0..<300 { _ = editor.feed(UInt8.random(in: 0...255, using: &random)) }
            #expect((0...editor.text.count).contains(editor.cursor))
        }
        var editor = LineEditor()
        for _ in 0..<LineEditor.maximumCharacters + 10 { _ = editor.feed(UInt8(ascii: "x")) }
        #expect(editor.text.count == LineEditor.maximumCharacters)
    }
}
