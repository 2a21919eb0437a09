import Metrics

/// One field of a protobuf message, in the message's own memory: an `Array` of it that nobody reads is freed before it is
/// filled, by an optimiser's mistake (Swift 6.3.1).
struct ProtobufField {
    struct NoMessage: Error { var number: UInt32 }

    var number: UInt32
    /// Of a varint or a fixed number.
    var value: UInt64 = 0
    private(set) var raw = UnsafeRawBufferPointer(start: nil, count: 0)
    private var inner: ProtobufReader?

    private init(number: UInt32) { self.number = number }

    var text: String { String(decoding: raw, as: UTF8.self) }
    var message: ProtobufReader {
        get throws {
            guard let inner else { throw NoMessage(number: number) }
            return inner
        }
    }
    /// Packed.
    var fixed64: [UInt64] {
        get throws {
            var reader = try message
            var values: [UInt64] = []
            while !reader.isAtEnd { values.append(try reader.readFixed64()) }
            return values
        }
    }

    static func each(of reader: ProtobufReader, _ body: (ProtobufField) throws -> Void) throws {
        var reader = reader
        while !reader.isAtEnd {
            let key = try reader.readKey()
            var field = ProtobufField(number: key.field)
            switch key.wireType {
            case .varint: field.value = try reader.readVarint()
            case .fixed64: field.value = try reader.readFixed64()
            case .fixed32: field.value = UInt64(try reader.readFixed32())
            case .bytes:
                var copy = reader
                field.raw = try copy.readBytes()
                field.inner = try reader.readMessage()
            }
            try body(field)
        }
    }
}
