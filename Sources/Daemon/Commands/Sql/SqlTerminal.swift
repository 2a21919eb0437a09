import Glibc

/// A terminal that is read key by key.
struct SqlTerminal {
    private let original: termios

    /// - Returns: nil when it is none.
    init?() {
        var now = termios()
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, tcgetattr(STDIN_FILENO, &now) == 0 else {
            return nil
        }
        original = now
    }

    /// Reads one line, which is drawn as it grows.
    mutating func read(_ prompt: String, _ editor: inout LineEditor) -> LineEditor.Event {
        begin()
        draw(prompt, editor)
        while true {
            var byte: UInt8 = 0
            let count = Glibc.read(STDIN_FILENO, &byte, 1)
            if count < 0, errno == EINTR { continue }
            let event = count == 1 ? editor.feed(byte) : .end
            if event == .changed { draw(prompt, editor) }
            guard let event, event != .changed else { continue }
            // First: whoever sees the line end may press Control-C for what runs then.
            end()
            Terminal.print(event == .abandoned ? "^C\n" : "\n")
            return event
        }
    }

    /// Keys come one by one, unseen and without a meaning of their own.
    private func begin() {
        var raw = original
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
        raw.c_iflag &= ~tcflag_t(IXON | ICRNL)
        withUnsafeMutableBytes(of: &raw.c_cc) { keys in
            keys[Int(VMIN)] = 1
            keys[Int(VTIME)] = 0
        }
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
    }

    private func end() {
        var original = original
        tcsetattr(STDIN_FILENO, TCSADRAIN, &original)
    }

    /// One line of the terminal: of a longer text what is around the cursor.
    private func draw(_ prompt: String, _ editor: LineEditor) {
        let room = max(10, SqlTerminal.width - prompt.count - 1)
        let start = max(0, editor.cursor - room)
        let seen = Terminal.harmless(String(editor.text[start..<min(editor.text.count, start + room)]))
        let before = Terminal.harmless(String(editor.text[start..<editor.cursor])).count
        Terminal.print("\r\(prompt)\(seen)\u{1b}[K\r\u{1b}[\(prompt.count + before)C")
    }

    private static var width: Int {
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }
}
