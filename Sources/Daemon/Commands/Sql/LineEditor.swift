/// One line that somebody types: keys in, text and a cursor out. It knows no terminal.
struct LineEditor {
    enum Event: Equatable {
        case changed
        /// Return: the line is done.
        case line(String)
        /// Control-C: the line, and what was before it, is given up.
        case abandoned
        /// Control-D in an empty line.
        case end
    }

    private(set) var text: [Character] = []
    private(set) var cursor = 0
    /// Lines from before, the oldest first.
    private(set) var history: [String]
    /// Which of them is shown; its count: none.
    private var shown: Int
    /// What was typed before the history was looked at.
    private var typed: [Character] = []
    /// Bytes of a character or of a key that has not ended.
    private var pending: [UInt8] = []

    static let maximumCharacters = 16 << 10
    private static let escape: UInt8 = 0x1b

    init(history: [String] = []) {
        self.history = history
        shown = history.count
    }

    /// - Returns: nil in the middle of a key or of a character, and for keys that mean nothing.
    mutating func feed(_ byte: UInt8) -> Event? {
        if !pending.isEmpty || byte == LineEditor.escape || byte >= 0x80 {
            pending.append(byte)
            return pending[0] == LineEditor.escape ? feedKey() : feedCharacter()
        }
        switch byte {
        case 0x0a, 0x0d: return finish()
        case 0x03:
            reset()
            return .abandoned
        case 0x04:
            if text.isEmpty { return .end }
            return delete(at: cursor)
        case 0x01: return move(to: 0)
        case 0x05: return move(to: text.count)
        case 0x02: return move(to: cursor - 1)
        case 0x06: return move(to: cursor + 1)
        case 0x0b:
            text.removeSubrange(cursor...)
            return .changed
        case 0x15:
            text.removeSubrange(..<cursor)
            cursor = 0
            return .changed
        case 0x17: return deleteWord()
        case 0x10: return show(shown - 1)
        case 0x0e: return show(shown + 1)
        case 0x08, 0x7f: return delete(at: cursor - 1)
        case 0x09: return insert(" ")
        default: return byte < 0x20 ? nil : insert(Character(Unicode.Scalar(byte)))
        }
    }

    /// Bytes of a key: `ESC [ A` and its kin. <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>
    private mutating func feedKey() -> Event? {
        guard pending.count > 1 else { return nil }
        guard pending[1] == UInt8(ascii: "[") || pending[1] == UInt8(ascii: "O") else {
            pending = []
            return nil
        }
        guard pending.count > 2, let last = pending.last, (0x40...0x7e).contains(last) else {
            if pending.count > 16 { pending = [] }
            return nil
        }
        let key = String(decoding: pending[2...], as: UTF8.self)
        pending = []
        switch key {
        case "A": return show(shown - 1)
        case "B": return show(shown + 1)
        case "C": return move(to: cursor + 1)
        case "D": return move(to: cursor - 1)
        case "H", "1~", "7~": return move(to: 0)
        case "F", "4~", "8~": return move(to: text.count)
        case "3~": return delete(at: cursor)
        case "1;5C": return move(to: text[cursor...].dropFirst().firstIndex(of: " ") ?? text.count)
        case "1;5D": return move(to: (text[..<max(0, cursor - 1)].lastIndex(of: " ") ?? -1) + 1)
        default: return nil
        }
    }

    private mutating func feedCharacter() -> Event? {
        let wanted = pending[0] >= 0xf0 ? 4 : pending[0] >= 0xe0 ? 3 : pending[0] >= 0xc0 ? 2 : 1
        guard pending.count >= wanted else { return nil }
        let decoded = String(decoding: pending, as: UTF8.self)
        pending = []
        var event: Event?
        for character in decoded { event = insert(character) }
        return event
    }

    private mutating func insert(_ character: Character) -> Event? {
        guard text.count < LineEditor.maximumCharacters else { return nil }
        text.insert(character, at: cursor)
        cursor += 1
        return .changed
    }

    private mutating func move(to place: Int) -> Event? {
        cursor = min(max(0, place), text.count)
        return .changed
    }

    private mutating func delete(at place: Int) -> Event? {
        guard text.indices.contains(place) else { return nil }
        text.remove(at: place)
        if place < cursor { cursor = place }
        return .changed
    }

    private mutating func deleteWord() -> Event? {
        let end = cursor
        while cursor > 0, text[cursor - 1] == " " { cursor -= 1 }
        while cursor > 0, text[cursor - 1] != " " { cursor -= 1 }
        text.removeSubrange(cursor..<end)
        return .changed
    }

    private mutating func show(_ index: Int) -> Event? {
        guard (0...history.count).contains(index), index != shown else { return nil }
        if shown == history.count { typed = text }
        shown = index
        text = index == history.count ? typed : Array(history[index])
        cursor = text.count
        return .changed
    }

    private mutating func finish() -> Event {
        let line = String(text)
        reset()
        return .line(line)
    }

    private mutating func reset() {
        (text, typed, pending, cursor) = ([], [], [], 0)
        shown = history.count
    }

    /// Takes a line into the history; one that is empty, or the last one again, is not.
    ///
    /// - Returns: whether it is new.
    mutating func remember(_ line: String, limit: Int) -> Bool {
        guard !line.allSatisfy(\.isWhitespace), line != history.last else { return false }
        history.append(line)
        if history.count > limit { history.removeFirst(history.count - limit) }
        shown = history.count
        return true
    }
}
