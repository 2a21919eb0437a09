import Synchronization
import TestSupport

/// Certificates of one test, right and wrong, made by the openssl command.
struct CertificateFolder: Sendable {
    struct ToolFailure: Error, CustomStringConvertible { var description: String }
    static let name = "metrics.example"

    let folder: TemporaryFolder
    func path(_ name: String) -> String { "\(folder.path)/\(name)" }
    var authority: String { path("authority.pem") }

    /// `good`, `wrongname`, `expired`, `future`, signed by the authority; `selfsigned`; `stranger`, by another one.
    init() throws {
        folder = try TemporaryFolder()
        try run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority "
                + "-keyout authority.key -out authority.pem")
        try run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other "
                + "-keyout other.key -out other.pem")
        try run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=\(CertificateFolder.name) "
                + "-addext subjectAltName=DNS:\(CertificateFolder.name) -keyout selfsigned.key -out selfsigned.pem")
        try write("index.txt", "")
        try write("config", CertificateFolder.config)
        try sign("good", CertificateFolder.name, "20200101000000Z", "20990101000000Z")
        try sign("wrongname", "other.example", "20200101000000Z", "20990101000000Z")
        try sign("expired", CertificateFolder.name, "20200101000000Z", "20200201000000Z")
        try sign("future", CertificateFolder.name, "20980101000000Z", "20990101000000Z")
        try sign("stranger", CertificateFolder.name, "20200101000000Z", "20990101000000Z", by: "other")
    }

    private static let config = """
        [ca]
        default_ca = test
        [test]
        database = index.txt
        new_certs_dir = .
        rand_serial = yes
        unique_subject = no
        default_md = sha256
        policy = any
        copy_extensions = copy
        [any]
        commonName = supplied

        """

    private func sign(
        _ file: String, _ name: String, _ start: String, _ end: String, by authority: String = "authority"
    )
        throws
    {
        try run(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=\(name) "
                + "-addext subjectAltName=DNS:\(name) -keyout \(file).key -out \(file).csr")
        try run(
            "ca -batch -config config -cert \(authority).pem -keyfile \(authority).key -in \(file).csr "
                + "-startdate \(start) -enddate \(end) -out \(file).pem -notext")
    }

    private func run(_ arguments: String) throws {
        let result = try ChildProcess.run(
            "/usr/bin/openssl", arguments.split(separator: " ").map(String.init), directory: folder.path)
        guard result.exit == .exited(0) else { throw ToolFailure(description: "\(arguments): \(result.errors)") }
    }

    private func write(_ name: String, _ text: String) throws {
        let result = try ChildProcess.run("/bin/sh", ["-c", "printf '%s' \"$1\" > \"$2\"", "sh", text, path(name)])
        guard result.exit == .exited(0) else { throw ToolFailure(description: "\(name): \(result.errors)") }
    }
}

/// A TLS server in a child (Python's) that says on its standard output what it read in clear, byte for byte counted.
final class TLSPointServer: Sendable {
    private static let script = """
        import socket, ssl, sys, threading
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1] + ".pem", sys.argv[1] + ".key")
        listener = socket.create_server(("127.0.0.1", 0))
        lock = threading.Lock()
        def say(words):
            with lock: print(words, flush=True)
        def serve(raw):
            try:
                with context.wrap_socket(raw, server_side=True) as connection:
                    data = b""
                    while True:
                        piece = connection.recv(65536)
                        if not piece: return
                        say("bytes %d" % len(piece))
                        data += piece
                        head, separator, rest = data.partition(b"\\r\\n\\r\\n")
                        if not separator: continue
                        length = 0
                        for line in head.split(b"\\r\\n"):
                            name, _, value = line.partition(b":")
                            if name.lower() == b"content-length": length = int(value)
                        if len(rest) < length: continue
                        say("body " + rest[:length].hex())
                        data = rest[length:]
                        connection.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
            except OSError as error: say("refused %s" % error)
            finally: raw.close()
        say("port %d" % listener.getsockname()[1])
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=serve, args=(raw,), daemon=True).start()
        """

    let port: Int
    private let child: ChildProcess

    /// - Parameter certificate: the name of one in the folder.
    init(_ certificates: CertificateFolder, certificate: String) throws {
        child = try ChildProcess(
            "/usr/bin/env", ["python3", "-c", TLSPointServer.script, certificate], directory: certificates.folder.path,
            output: .pipe)
        guard let port = child.readLine()?.split(separator: " ").last.flatMap({ Int($0) }) else {
            throw CertificateFolder.ToolFailure(description: "the TLS server did not start")
        }
        self.port = port
    }

    /// Ends it, and tells how many bytes it ever read in clear and which values were in whole bodies.
    func stop() throws -> (plainBytes: Int, values: Set<Int>) {
        child.kill()
        var (bytes, values) = (0, Set<Int>())
        while let line = child.readLine() {
            let words = line.split(separator: " ")
            if words.first == "bytes" { bytes += Int(words[1]) ?? 0 }
            if words.first == "body", words.count == 2 {
                let digits = Array(words[1].utf8)
                let body = stride(from: 0, to: digits.count, by: 2).compactMap {
                    UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)
                }
                values.formUnion(try PointServer.values(in: body))
            }
        }
        return (bytes, values)
    }
}
