import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Ports of 127.0.0.1 for servers that cannot choose one themselves.
public enum LoopbackPort {
    public struct NoneFree: Error {}

    /// A port nobody listens on now, below those that the kernel hands to whoever connects (32768 and up).
    public static func free() throws -> Int {
        for _ in 0..<1000 {
            let port = 10_000 + Int(next.wrappingAdd(1, ordering: .relaxed).oldValue % 20_000)
            if !accepts(port) { return port }
        }
        throw NoneFree()
    }

    /// Other processes that run tests begin elsewhere.
    private static let next = Atomic<UInt32>(UInt32.random(in: 0..<20_000))

    /// Whether somebody listens there.
    public static func accepts(_ port: Int) -> Bool {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
