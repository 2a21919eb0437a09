/// Appends protobuf fields to a reusable buffer. <https://protobuf.dev/programming-guides/encoding/>
///
/// Messages inside messages are length-prefixed: callers compute the size first (`Varint.length`) rather than copy.
public enum ProtobufWriter {
    @inline(__always)
    public static func appendKey(_ field: Int, _ wireType: ProtobufKey.WireType, to body: inout [UInt8]) {
        Varint.append(UInt64(field) << 3 | UInt64(wireType.rawValue), to: &body)
    }

    public static func appendVarint(_ field: Int, _ value: UInt64, to body: inout [UInt8]) {
        appendKey(field, .varint, to: &body)
        Varint.append(value, to: &body)
    }

    @inline(__always)
    public static func appendFixed64(_ field: Int, _ value: UInt64, to body: inout [UInt8]) {
        appendKey(field, .fixed64, to: &body)
        appendLittleEndian(value, to: &body)
    }

    @inline(__always)
    public static func appendLittleEndian(_ value: UInt64, to body: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { body.append(contentsOf: $0) }
    }

    @inline(__always)
    public static func appendBytes(_ field: Int, _ bytes: UnsafeRawBufferPointer, to body: inout [UInt8]) {
        appendKey(field, .bytes, to: &body)
        Varint.append(UInt64(bytes.count), to: &body)
        body.append(contentsOf: bytes)
    }

    public static func appendString(_ field: Int, _ text: String, to body: inout [UInt8]) {
        appendKey(field, .bytes, to: &body)
        Varint.append(UInt64(text.utf8.count), to: &body)
        body.append(contentsOf: text.utf8)
    }

    /// The size of a length-prefixed field below number 16.
    @inline(__always)
    public static func length(ofBytes count: Int) -> Int { 1 + Varint.length(count) + count }
}
