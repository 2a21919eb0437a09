import Foundation

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

    func program(_ executable: String, _ arguments: [String], name: String) -> ServerProcess {
        ServerProcess(executable, arguments, log: folder.appendingPathComponent("\(name).log"))
    }

    /// A port nobody listens on now: bound once, then given back.
    static func freePort() throws -> Int {
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(socket, pointer, length) == 0 && getsockname(socket, pointer, &length) == 0
            }
        }
        guard bound else { throw TestFailure("no free port") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// The binary under test: `HOLDFAST_BINARY`, or the debug build beside the tests.
    static let holdfast: String = {
        if let path = ProcessInfo.processInfo.environment["HOLDFAST_BINARY"] { return path }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return root.appendingPathComponent(".build/debug/holdfast").path
    }()
}
