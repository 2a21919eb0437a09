import Foundation
import Synchronization

/// One test's folder, ports and programs.
final class Workbench {
    let folder: URL

    init(_ name: String) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("holdfast-\(name)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// Kept when `HOLDFAST_KEEP` is set, to look into what a failure left behind.
    deinit {
        if ProcessInfo.processInfo.environment["HOLDFAST_KEEP"] == nil {
            try? FileManager.default.removeItem(at: folder)
        }
    }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
        return path(name)
    }

    /// Programs of another user find the folder, and read what was written into it so far, whatever the umask is.
    func letOthersIn() throws {
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path)
        where name.hasSuffix(".yml") || name.hasSuffix(".token") {
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path(name))
        }
    }

    func program(_ executable: String, _ arguments: [String], name: String) -> ServerProcess {
        ServerProcess(executable, arguments, log: folder.appendingPathComponent("\(name).log"))
    }

    /// A port nobody listens on now, below those that the kernel hands to whoever connects (32768 and up): nobody takes it
    /// by chance before the server that is to have it.
    static func freePort() throws -> Int {
        for _ in 0..<1000 {
            let port = 10_000 + Int(nextPort.wrappingAdd(1, ordering: .relaxed).oldValue % 20_000)
            if isFree(port) { return port }
        }
        throw TestFailure("no free port")
    }

    /// Other processes that run these tests begin elsewhere.
    private static let nextPort = Atomic<UInt32>(UInt32.random(in: 0..<20_000))

    private static func isFree(_ port: Int) -> Bool {
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        // As servers do: a port whose last connections are still in TIME_WAIT is free.
        var yes: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// The binary under test: `HOLDFAST_BINARY`, or the debug build beside the tests.
    static let holdfast: String = {
        if let path = ProcessInfo.processInfo.environment["HOLDFAST_BINARY"] { return path }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return root.appendingPathComponent(".build/debug/holdfast").path
    }()
}
