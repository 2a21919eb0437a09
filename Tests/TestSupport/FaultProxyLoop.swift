#if canImport(Glibc)
    import Glibc
#endif

/// The thread of a `FaultProxy`: accepts, connects on, and moves bytes through the pipes of each connection.
final class FaultProxyLoop {
    private struct Link {
        var client: Int32
        /// -1: there is none, as the plan has it.
        var server: Int32
        var request: FaultPipe
        var reply: FaultPipe
        var isClosing = false
        var isDead = false
    }

    /// Not kept alive by its own thread beyond what a test holds: the proxy joins this thread when it stops.
    private let proxy: FaultProxy
    private let listener: Int32
    private let commands: Int32
    private var links: [Link] = []
    private var piece = [UInt8](repeating: 0, count: 64 << 10)

    init(proxy: FaultProxy, listener: Int32, commands: Int32) {
        self.proxy = proxy
        self.listener = listener
        self.commands = commands
    }

    func run() {
        while !proxy.isStopped {
            var polled = [
                pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
                pollfd(fd: commands, events: Int16(POLLIN), revents: 0),
            ]
            let now = FaultProxyLoop.milliseconds()
            for link in links { polled += interest(of: link, now) }
            let count = poll(&polled, nfds_t(polled.count), timeout(now))
            if count < 0, errno != EINTR { break }
            if polled[1].revents != 0 { while read(commands, &piece, piece.count) > 0 {} }
            if proxy.takeCutRequest() { for index in links.indices { reset(&links[index]) } }
            let then = FaultProxyLoop.milliseconds()
            for index in links.indices where !links[index].isDead {
                let (client, server) = (polled[2 + 2 * index].revents, polled[3 + 2 * index].revents)
                move(&links[index], client, server, then)
            }
            for link in links where link.isDead { proxy.ended() }
            links.removeAll { $0.isDead }
            if polled[0].revents != 0 { accept() }
        }
        for index in links.indices { reset(&links[index]) }
    }

    private static func milliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    private func timeout(_ now: Int64) -> Int32 {
        let due = links.flatMap { [$0.request.deadline(now), $0.reply.deadline(now)] }.compactMap { $0 }.min()
        return due.map { Int32(clamping: max(1, $0 - now)) } ?? -1
    }

    private func interest(of link: Link, _ now: Int64) -> [pollfd] {
        func entry(_ descriptor: Int32, reads: Bool, writes: Bool) -> pollfd {
            var events: Int32 = 0
            if reads { events |= Int32(POLLIN) }
            if writes { events |= Int32(POLLOUT) }
            // Without interest poll would still report a hang-up, again and again: a negative number is skipped.
            return pollfd(fd: events == 0 ? -1 : descriptor, events: Int16(events), revents: 0)
        }
        return [
            entry(
                link.client, reads: link.server >= 0 && link.request.wantsInput,
                writes: link.reply.wantsOutput(now)),
            entry(link.server, reads: link.reply.wantsInput, writes: link.request.wantsOutput(now)),
        ]
    }

    // MARK: One connection

    private func accept() {
        let client = Glibc.accept(listener, nil, nil)
        guard client >= 0 else { return }
        let plan = proxy.plan()
        var link = Link(
            client: client, server: -1, request: FaultPipe(plan.request), reply: FaultPipe(plan.reply))
        switch plan.admission {
        case .reset:
            reset(&link)
            proxy.ended()
            return
        case .silence: break
        case .pass:
            link.server = FaultProxyLoop.connect(to: proxy.targetPort)
            if link.server < 0 {
                // Nobody listens there: so it is here.
                reset(&link)
                proxy.ended()
                return
            }
        }
        links.append(link)
    }

    /// Loopback answers at once, so this may block.
    private static func connect(to port: Int) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result == 0 { return descriptor }
        close(descriptor)
        return -1
    }

    private func move(_ link: inout Link, _ clientEvents: Int16, _ serverEvents: Int16, _ now: Int64) {
        let readable = Int16(POLLIN) | Int16(POLLHUP) | Int16(POLLERR)
        if clientEvents & readable != 0, link.server >= 0, link.request.wantsInput {
            guard fill(&link.request, from: link.client) else { return reset(&link) }
        }
        if serverEvents & readable != 0, link.reply.wantsInput {
            guard fill(&link.reply, from: link.server) else { return reset(&link) }
        }
        for isReply in [false, true] {
            let verdict = isReply ? link.reply.advance(now) : link.request.advance(now)
            proxy.happened(isReply ? link.reply.takeHappened() : link.request.takeHappened())
            switch verdict {
            case .goOn: break
            case .reset: return reset(&link)
            case .close: link.isClosing = true
            }
        }
        if link.server >= 0 {
            guard link.request.send(to: link.server, now) else { return reset(&link) }
            link.request.sendEnd(to: link.server)
        }
        guard link.reply.send(to: link.client, now) else { return reset(&link) }
        link.reply.sendEnd(to: link.client)
        let isOver = link.request.isEndSent && link.reply.isEndSent
        let isClosed = link.isClosing && !link.reply.wantsOutput(.max) && !link.request.wantsOutput(.max)
        if isOver || isClosed { shut(&link) }
    }

    /// - Returns: false when the connection broke.
    private func fill(_ pipe: inout FaultPipe, from descriptor: Int32) -> Bool {
        let count = recv(descriptor, &piece, piece.count, Int32(MSG_DONTWAIT))
        if count > 0 {
            pipe.receive(piece[..<count])
        } else if count == 0 {
            pipe.sourceEnded()
        } else if errno != EAGAIN && errno != EINTR {
            return false
        }
        return true
    }

    private func reset(_ link: inout Link) {
        guard !link.isDead else { return }
        var linger = linger(l_onoff: 1, l_linger: 0)
        for descriptor in [link.client, link.server] where descriptor >= 0 {
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        }
        shut(&link)
    }

    private func shut(_ link: inout Link) {
        close(link.client)
        if link.server >= 0 { close(link.server) }
        link.isDead = true
    }
}
