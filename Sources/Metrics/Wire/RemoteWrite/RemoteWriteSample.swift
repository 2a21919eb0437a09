/// A `Sample` message: float64 bits and a time in milliseconds. Zeros are left out, as proto3 does.
struct RemoteWriteSample {
    let bits: UInt64
    let milliseconds: Int64

    @inline(__always)
    init(_ bits: UInt64, at nanoseconds: Int64) {
        self.bits = bits
        milliseconds = PrometheusTime.milliseconds(nanoseconds)
    }

    @inline(__always)
    private var length: Int {
        (bits == 0 ? 0 : 9) + (milliseconds == 0 ? 0 : 1 + Varint.length(UInt64(bitPattern: milliseconds)))
    }
    /// With key and length.
    @inline(__always) var fieldLength: Int { 2 + length }

    @inline(__always)
    func append(to writer: inout RawWriter) {
        writer.append(0x12)
        writer.append(UInt8(length))
        if bits != 0 {
            writer.append(0x09)
            writer.append(littleEndian: bits)
        }
        if milliseconds != 0 {
            writer.append(0x10)
            writer.append(varint: UInt64(bitPattern: milliseconds))
        }
    }

    func append(to body: inout [UInt8]) {
        body.appendUninitialized(fieldLength) { room in
            var writer = RawWriter(room)
            append(to: &writer)
            return (writer.written, ())
        }
    }
}

extension RemoteWriteSample {
    /// As 2.0 has it.
    ///
    /// - Parameter start: milliseconds, 0 when it is not known.
    func append(to body: inout [UInt8], since start: Int64) {
        guard start != 0 else { return append(to: &body) }
        let bits = UInt64(bitPattern: start)
        body.append(0x12)
        // At most 31: one byte.
        body.append(UInt8(length + 1 + Varint.length(bits)))
        if self.bits != 0 { ProtobufWriter.appendFixed64(Int(RemoteWriteField.Sample.value), self.bits, to: &body) }
        if milliseconds != 0 {
            ProtobufWriter.appendVarint(
                Int(RemoteWriteField.Sample.timestamp), UInt64(bitPattern: milliseconds), to: &body)
        }
        ProtobufWriter.appendVarint(Int(RemoteWriteField.Sample.startTimestamp), bits, to: &body)
    }
}

/// An `Exemplar` message.
struct RemoteWriteExemplar {
    private let exemplar: Exemplar
    private let milliseconds: Int64?

    /// - Parameter pointTime: nanoseconds; stands in when the exemplar has no time, which receivers would take for 1970.
    init(_ exemplar: Exemplar, pointTime: Int64?) {
        self.exemplar = exemplar
        milliseconds = (exemplar.time ?? pointTime).map(PrometheusTime.milliseconds)
    }

    private var length: Int {
        exemplar.labels.count + 9 + (milliseconds.map { 1 + Varint.length(UInt64(bitPattern: $0)) } ?? 0)
    }
    /// With key and length.
    var fieldLength: Int { ProtobufWriter.length(ofBytes: length) }

    func append(to body: inout [UInt8]) {
        body.append(0x1A)
        Varint.append(UInt64(length), to: &body)
        body.append(contentsOf: exemplar.labels)
        ProtobufWriter.appendFixed64(2, exemplar.valueBits, to: &body)
        if let milliseconds { ProtobufWriter.appendVarint(3, UInt64(bitPattern: milliseconds), to: &body) }
    }
}

enum PrometheusTime {
    /// Whole milliseconds, rounded down also before 1970: order is kept.
    @inline(__always)
    static func milliseconds(_ nanoseconds: Int64) -> Int64 {
        let quotient = nanoseconds / 1_000_000
        return nanoseconds % 1_000_000 < 0 ? quotient - 1 : quotient
    }
}
