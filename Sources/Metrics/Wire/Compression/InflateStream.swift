import CZlib

/// One zlib inflate stream. zlib keeps a pointer back to its `z_stream`, so that lives at one address of its own.
final class InflateStream {
    enum Format { case gzip, zlib }

    private let stream: UnsafeMutablePointer<z_stream>
    private let format: Format
    /// Whether the last member ended with its trailer and nothing of another one has come.
    private(set) var isWhole = false

    init(_ format: Format) {
        self.format = format
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // Only the named format: zlib's own detection would take the other one too.
        let started = holdfast_inflate_init(stream, format == .gzip ? 15 + 16 : 15)
        precondition(started == Z_OK, "inflateInit2 fails only on bad parameters or without memory")
    }

    deinit {
        inflateEnd(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    func feed(_ chunk: UnsafeRawBufferPointer, into output: inout [UInt8], limit: Int) throws(WireError) {
        precondition(chunk.count <= UInt32.max, "chunks come from a socket")
        stream.pointee.next_in = UnsafeMutablePointer(mutating: chunk.bindMemory(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = UInt32(chunk.count)
        defer { stream.pointee.next_in = nil }
        while true {
            if isWhole {
                if stream.pointee.avail_in == 0 { return }
                // A gzip file may be several members (RFC 1952, 2.2); anything else after the end is not ours.
                guard format == .gzip else { throw WireError(.malformed, "deflate: bytes after the end of the data") }
                inflateReset(stream)
                isWhole = false
            }
            if try step(into: &output, limit: limit) { return }
        }
    }

    /// - Returns: whether zlib wants more input.
    private func step(into output: inout [UInt8], limit: Int) throws(WireError) -> Bool {
        // One byte more than allowed shows an excess without holding it.
        let room = min(limit - output.count + 1, Decompressor.stepBytes)
        guard room > 0 else { throw Decompressor.tooLarge(limit) }
        let stream = self.stream
        let status = output.appendUninitialized(room) { free in
            stream.pointee.next_out = free.bindMemory(to: UInt8.self).baseAddress
            stream.pointee.avail_out = UInt32(free.count)
            let status = inflate(stream, Z_NO_FLUSH)
            return (free.count - Int(stream.pointee.avail_out), status)
        }
        stream.pointee.next_out = nil
        if output.count > limit { throw Decompressor.tooLarge(limit) }
        switch status {
        case Z_STREAM_END:
            isWhole = true
            return false
        case Z_OK:
            return stream.pointee.avail_in == 0 && stream.pointee.avail_out > 0
        case Z_BUF_ERROR:
            return true
        default:
            throw WireError(.malformed, "\(format == .gzip ? "gzip" : "deflate"): corrupt data or trailing bytes")
        }
    }
}

/// Bound to whoever feeds it: its state is the C library's.
@available(*, unavailable)
extension InflateStream: Sendable {}
