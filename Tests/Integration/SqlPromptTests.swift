import Foundation
import TestSupport
import Testing

/// The prompt of `holdfast sql`, typed at through a terminal.
@Suite(.serialized, .timeLimit(.minutes(3))) struct SqlPromptTests {
    /// Types each line of `keys` (escapes as Python has them) when the text beside it has come; prints what came.
    private static let typist = """
        import os, pty, select, sys, time
        binary, folder, state = sys.argv[1:4]
        steps = [line.split("|", 1) for line in sys.argv[4].split("\\n")]
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ["XDG_STATE_HOME"] = state
            os.execv(binary, [binary, "sql", "--data-dir", folder])
        seen, at, end = "", 0, time.monotonic() + 60
        def wait(text):
            global seen, at
            while text not in seen[at:]:
                if time.monotonic() > end: sys.exit("no " + repr(text) + " in " + repr(seen[at:]))
                if select.select([terminal], [], [], 1)[0]:
                    try: piece = os.read(terminal, 65536)
                    except OSError: piece = b""
                    if not piece: sys.exit("it ended: " + repr(seen))
                    seen += piece.decode(errors="replace")
            at = seen.index(text, at) + len(text)
        def plain(text): return text.encode().decode("unicode_escape")
        for expected, keys in steps:
            wait(plain(expected))
            os.write(terminal, plain(keys).encode("latin-1"))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """

    private func type(_ steps: [(String, String)], _ folder: String, state: String) throws -> String {
        let text = steps.map { "\($0)|\($1)" }.joined(separator: "\n")
        let answer = try run("/usr/bin/python3", ["-c", Self.typist, Workbench.holdfast, folder, state, text])
        #expect(answer.status == 0, "\(answer.errors)")
        return answer.output
    }

    @Test func `questions are typed, mended, stopped, and remembered for the next time`() async throws {
        let bench = try Workbench("sql-prompt")
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  nobody: { type: prometheus_remote_write, url: "http://127.0.0.1:1/api/v1/write" }
                tenants:
                  default: { backends: [nobody] }
                """)
        try await node.start()
        let lines = (0..<500).map { #"{"name":"up","labels":{},"value":\#($0),"timestamp_ms":1000}"# }
        let sent = try await Web.post(
            "\(node.url)/api/v1/json", lines.joined(separator: "\n"), headers: ["Content-Type": "application/x-ndjson"])
        #expect(sent.status == 200)
        let state = bench.path("state")
        let first = try type(
            [
                ("sql> ", #"SELECT count(*) AS nn\x7f\r"#), ("...> ", #"FROM points;\r"#), ("500", ""),
                ("sql> ", #"SELECT sum(a.value + b.value + c.value) FROM points a, points b, points c;\r"#),
                (#"C\r\n"#, #"\x03"#), ("interrupted", ""), ("sql> ", #"SELECT nonsense;\r"#), ("no such column", ""),
                ("sql> ", #".mode csv\r"#), ("sql> ", #"SELECT 'a' AS x, 2 AS y;\r"#), (#"x,y\r\na,2"#, ""),
                ("sql> ", #".tables losses\r"#), ("lost_time", ""), ("sql> ", #"half a thought\x03"#),
                ("sql> ", #"\x04"#),
            ], node.dataFolder, state: state)
        #expect(first == "0\n")
        let kept = "\(state)/holdfast/sql_history"
        let history = try String(contentsOfFile: kept, encoding: .utf8).split(separator: "\n")
        #expect(history.first == "SELECT count(*) AS n" && history.contains("SELECT nonsense;"), "\(history)")
        let attributes = try FileManager.default.attributesOfItem(atPath: kept)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        let second = try type(
            [("sql> ", #"\x1b[A\x1b[A\r"#), ("a  2", ""), ("sql> ", #".quit\r"#)], node.dataFolder, state: state)
        #expect(second == "0\n")
    }
}
