import Foundation
import Synchronization

/// Greets as a NATS server that wants TLS, and then says nothing.
public final class StalledServer: Sendable {
    public let port: Int
    private let listener: Int32
    /// nil: it has hung up.
    private let peers = Mutex<[Int32]?>([])

    private static let greeting =
        #"INFO {"server_id":"x","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576,"tls_required":true}"#

    public init() throws {
        port = try LoopbackPort.free()
        // A program that another test starts must not hold a connection open.
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let code = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0, listen(listener, 16) == 0 else {
            throw PythonTool.Failure(description: "nobody can listen on \(port): \(errno)")
        }
        Thread.detachNewThread { [weak self, listener] in
            while true {
                let peer = accept(listener, nil, nil)
                guard peer >= 0 else { return }
                let bytes = Array((Self.greeting + "\r\n").utf8)
                send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL))
                self?.keep(peer)
            }
        }
    }

    deinit { hangUp() }

    /// Ends all connections, and takes no further one.
    public func hangUp() {
        shutdown(listener, Int32(SHUT_RDWR))
        peers.withLock { peers in
            for peer in peers ?? [] { StalledServer.end(peer) }
            peers = nil
        }
    }

    private func keep(_ peer: Int32) {
        peers.withLock { peers in
            if peers == nil { StalledServer.end(peer) } else { peers?.append(peer) }
        }
    }

    /// Whoever has the descriptor too has a connection that is over.
    private static func end(_ peer: Int32) {
        shutdown(peer, Int32(SHUT_RDWR))
        close(peer)
    }
}
