import Glibc
import Metrics
import Synchronization

/// A remote-write receiver that only counts: the far end of `bench deliver` and `bench path`.
final class BenchSink: Sendable {
    let port: UInt16
    private let listener: Int32
    private let counted = Atomic<Int>(0)
    private let firstAt = Atomic<Int64>(0)
    private let lastAt = Atomic<Int64>(0)
    /// Waited before each answer: a long way to the backend.
    private let roundTripMilliseconds: Int

    /// Takes a port, but does not listen yet: whoever connects is refused, as by a backend that is down.
    init?(port wanted: UInt16, roundTripMilliseconds: Int) {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { return nil }
        var on: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = wanted.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        guard isBound else {
            close(socket)
            return nil
        }
        listener = socket
        port = UInt16(bigEndian: address.sin_port)
        self.roundTripMilliseconds = roundTripMilliseconds
    }

    deinit { close(listener) }

    var samples: Int { counted.load(ordering: .acquiring) }
    /// From the first to the last sample that came, seconds.
    var seconds: Double {
        Double(lastAt.load(ordering: .acquiring) - firstAt.load(ordering: .acquiring)) / 1e9
    }

    /// When the newest sample came, on `BenchClock`.
    var newestAt: Int64 { lastAt.load(ordering: .acquiring) }

    func open() {
        listen(listener, 128)
        BenchThreads.detach { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                if connection < 0 { return }
                var on: Int32 = 1
                setsockopt(connection, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
                BenchThreads.detach { [self] in serve(connection) }
            }
        }
    }

    /// Takes no more connections; those there are end with their senders.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Waits until so many samples have come.
    ///
    /// - Parameter silence: none for so long is a `BenchFailure`; longer than any sender's pause between two tries.
    func wait(for wanted: Int, silence: Duration = .seconds(90)) throws(BenchFailure) {
        let patience = silence / .nanoseconds(1)
        var last = -1
        var lastChange = BenchClock.now
        while samples < wanted {
            let now = BenchClock.now
            if samples != last {
                last = samples
                lastChange = now
            } else if Double(now - lastChange) > patience {
                throw BenchFailure("the backend got \(last) of \(wanted) samples and nothing for \(silence)")
            }
            BenchClock.sleep(until: now + 1_000_000)
        }
    }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var plain: [UInt8] = []
        var filled = 0
        while true {
            guard let request = read(connection, &buffer, &filled) else { return }
            let count = buffer[request.body].withUnsafeBytes { body -> Int? in
                plain.removeAll(keepingCapacity: true)
                guard BenchSink.unpack(body, request.coding, into: &plain) else { return nil }
                return plain.withUnsafeBytes { BenchSink.samples(in: $0) }
            }
            if roundTripMilliseconds > 0 {
                BenchClock.sleep(until: BenchClock.now + Int64(roundTripMilliseconds) * 1_000_000)
            }
            let answer = count == nil ? "HTTP/1.1 400 Bad Request" : "HTTP/1.1 204 No Content"
            note(count ?? 0)
            guard send(connection, "\(answer)\r\nContent-Length: 0\r\n\r\n") else { return }
            // What came behind this request is the start of the next one.
            let rest = filled - request.body.upperBound
            if rest > 0 {
                buffer.withUnsafeMutableBytes { bytes in
                    if let base = bytes.baseAddress { memmove(base, base + request.body.upperBound, rest) }
                }
            }
            filled = rest
        }
    }

    private func note(_ count: Int) {
        let now = BenchClock.now
        _ = firstAt.compareExchange(expected: 0, desired: now, ordering: .acquiringAndReleasing)
        lastAt.store(now, ordering: .releasing)
        counted.add(count, ordering: .acquiringAndReleasing)
    }

    private struct Request {
        /// Where it is in the buffer.
        var body: Range<Int>
        /// Remote write is snappy; vmagent's own form of it is zstd.
        var coding = ContentCoding.snappy
    }

    private static func unpack(
        _ body: UnsafeRawBufferPointer, _ coding: ContentCoding, into plain: inout [UInt8]
    ) -> Bool {
        let limit = 64 << 20
        if coding == .snappy { return (try? Snappy.decompress(body, into: &plain, limit: limit)) != nil }
        var decompressor = Decompressor(coding, limit: limit)
        do throws(WireError) {
            try decompressor.feed(body, into: &plain)
            try decompressor.finish(into: &plain)
            return true
        } catch { return false }
    }

    /// Reads until a whole request is in the buffer.
    private func read(_ connection: Int32, _ buffer: inout [UInt8], _ filled: inout Int) -> Request? {
        var request: Request?
        while true {
            if request == nil { request = BenchSink.request(in: buffer[..<filled]) }
            if let request {
                if request.body.upperBound <= filled { return request }
                guard request.body.upperBound <= 64 << 20 else { return nil }
                if request.body.upperBound > buffer.count {
                    buffer += [UInt8](repeating: 0, count: request.body.upperBound - buffer.count)
                }
            } else if filled == buffer.count {
                return nil
            }
            let received = buffer.withUnsafeMutableBytes { bytes in
                recv(connection, bytes.baseAddress.map { $0 + filled }, bytes.count - filled, 0)
            }
            if received <= 0 { return nil }
            filled += received
        }
    }

    private static func request(in bytes: ArraySlice<UInt8>) -> Request? {
        var at = 0
        while at + 3 < bytes.count {
            if bytes[at] == 13, bytes[at + 1] == 10, bytes[at + 2] == 13, bytes[at + 3] == 10 { break }
            at += 1
        }
        guard at + 3 < bytes.count else { return nil }
        var request = Request(body: at + 4..<at + 4)
        for line in String(decoding: bytes[..<at], as: UTF8.self).lowercased().split(separator: "\r\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            switch line[..<colon] {
            case "content-length":
                if let length = Int(value), length >= 0 { request.body = at + 4..<at + 4 + length }
            case "content-encoding":
                request.coding = ContentCoding(header: String(value)) ?? .snappy
            default: break
            }
        }
        return request
    }

    private func send(_ connection: Int32, _ text: String) -> Bool {
        var text = text
        return text.withUTF8 { Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) == $0.count }
    }

    /// Counts the samples and histograms of a remote-write message without looking at them.
    static func samples(in message: UnsafeRawBufferPointer) -> Int? {
        var count = 0
        var reader = ProtobufReader(message)
        do {
            while !reader.isAtEnd {
                let key = try reader.readKey()
                guard key.field == 1 else {
                    try reader.skip(key.wireType)
                    continue
                }
                var series = try reader.readMessage()
                while !series.isAtEnd {
                    let key = try series.readKey()
                    if key.field == 2 || key.field == 4 { count += 1 }
                    try series.skip(key.wireType)
                }
            }
        } catch { return nil }
        return count
    }
}
