import Foundation
import TestSupport

#if canImport(Glibc)
    import Glibc
#endif

/// A name server that hears questions and answers none, for one process: it sees a resolv.conf of its own.
final class SilentResolver {
    /// Takes root, port 53, and a mount namespace.
    static let canBeUsed: Bool = {
        guard geteuid() == 0, let probe = try? SilentResolver(Workbench("resolver-probe")) else { return false }
        return (try? run(probe.wrapper[0], Array(probe.wrapper.dropFirst()) + ["/bin/true"]))?.status == 0
    }()

    private static let address = "127.0.0.253"
    private let socket: Int32
    /// Its folder has the file.
    private let bench: Workbench
    /// What goes before a command.
    let wrapper: [String]

    init(_ bench: Workbench) throws {
        self.bench = bench
        // Tries last two and a half minutes. <https://man7.org/linux/man-pages/man5/resolv.conf.5.html>
        let file = try bench.write(
            "resolv.conf", "nameserver \(SilentResolver.address)\noptions timeout:30 attempts:5\n")
        wrapper = [
            "/usr/bin/unshare", "--mount", "/bin/sh", "-c", "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"", file,
        ]
        // Somebody has to have the port, or the kernel says at once that nobody has.
        socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(53).bigEndian
        inet_pton(AF_INET, SilentResolver.address, &address.sin_addr)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0 else {
            close(socket)
            throw TestFailure("port 53 of \(SilentResolver.address) is taken: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(socket) }
}
