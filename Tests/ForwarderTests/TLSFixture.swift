import Foundation
import TestSupport
import Testing

/// A certificate authority of one test, and servers that trust and are trusted by it alone.
struct TLSFixture {
    struct ToolFailure: Error, CustomStringConvertible { var description: String }
    static let serverName = "metrics.example"
    static let clientName = "node-7"

    let folder: TemporaryFolder
    func path(_ name: String) -> String { "\(folder.path)/\(name)" }
    var authority: String { path("authority.pem") }
    var clientCertificate: String { path("client.pem") }
    var clientKey: String { path("client.key") }

    init() throws {
        folder = try TemporaryFolder()
        try TLSFixture.makeAuthority("authority", in: folder.path)
        try TLSFixture.makeAuthority("stranger", in: folder.path)
        try sign("server", name: TLSFixture.serverName)
        try sign("client", name: TLSFixture.clientName)
    }

    private static func makeAuthority(_ name: String, in folder: String) throws {
        try openssl(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=\(name)", "-keyout", "\(name).key", "-out", "\(name).pem",
            ], in: folder)
    }

    private func sign(_ file: String, name: String) throws {
        try TLSFixture.openssl(
            [
                "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)",
                "-keyout", "\(file).key", "-out", "\(file).csr",
            ], in: folder.path)
        try Data("subjectAltName=DNS:\(name)\n".utf8).write(to: URL(fileURLWithPath: path("\(file).ext")))
        try TLSFixture.openssl(
            [
                "x509", "-req", "-in", "\(file).csr", "-CA", "authority.pem", "-CAkey", "authority.key",
                "-CAcreateserial", "-days", "2", "-extfile", "\(file).ext", "-out", "\(file).pem",
            ], in: folder.path)
    }

    private static func openssl(_ arguments: [String], in folder: String) throws {
        let answer = try ChildProcess.run("/usr/bin/env", ["openssl"] + arguments, directory: folder)
        guard answer.exit == .exited(0) else {
            throw ToolFailure(description: "openssl \(arguments[0]): \(answer.errors)")
        }
    }
}

/// Python's TLS in a child: it asks for a client certificate, and answers with the name in it, the server name it was
/// called by, and the protocol's version.
final class TLSServer {
    private static let script = """
        import http.server, ssl, sys
        names = {}
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                subject = dict(part[0] for part in self.connection.getpeercert()["subject"])
                words = [subject["commonName"], str(names.get(id(self.connection))), self.connection.version(), str(len(body))]
                answer = " ".join(words).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            def log_message(self, *words): pass
        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, address): pass
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("server.pem", "server.key")
        context.load_verify_locations("authority.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        if sys.argv[1] == "1.2": context.maximum_version = ssl.TLSVersion.TLSv1_2
        def named(connection, name, _): names[id(connection)] = name
        context.sni_callback = named
        server = Server(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        print(server.server_address[1], flush=True)
        server.serve_forever()
        """

    let port: Int
    private let process: ChildProcess

    init(_ fixture: TLSFixture, newest version: String = "1.3") throws {
        process = try ChildProcess(
            "/usr/bin/env", ["python3", "-c", TLSServer.script, version], directory: fixture.folder.path, output: .pipe)
        // One line, written when it listens.
        let line = process.readLine()
        guard let port = line.flatMap({ Int($0) }) else {
            throw TLSFixture.ToolFailure(description: "the TLS server did not start: \(line ?? "nothing said")")
        }
        self.port = port
    }

    deinit { stop() }

    var url: String { "https://127.0.0.1:\(port)/write" }

    func stop() { process.kill() }
}
