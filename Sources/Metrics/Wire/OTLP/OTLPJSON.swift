/// OTLP as JSON, made of the protobuf that `OTLPEncoder` wrote: the two forms say the same because one is made of the other.
///
/// Keys in lowerCamelCase, enumerations as numbers, integers of 64 bits as texts, ids of traces and spans in hexadecimal, and what
/// is no finite number as `"NaN"`, `"Infinity"` and `"-Infinity"`. Every NaN is the same one there.
/// <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>
public enum OTLPJSON {
    /// Appends an `ExportMetricsServiceRequest`.
    ///
    /// - Parameter protobuf: what an `OTLPEncoder` wrote, nothing else.
    public static func append(_ protobuf: UnsafeRawBufferPointer, to json: inout [UInt8]) {
        do throws(ProtobufFault) {
            try append(ProtobufReader(protobuf), .request, to: &json)
        } catch {
            preconditionFailure("what OTLPEncoder wrote is read here: \(error.reason) at \(error.offset)")
        }
    }

    /// A message, to the end of `reader`.
    private static func append(
        _ reader: ProtobufReader, _ shape: OTLPShape, to json: inout [UInt8]
    ) throws(ProtobufFault) {
        var reader = reader
        /// Bits by field number.
        var written: UInt32 = 0
        json.append(UInt8(ascii: "{"))
        while !reader.isAtEnd {
            let key = try reader.readKey()
            guard let field = shape.field(key.field) else {
                preconditionFailure("field \(key.field) of \(shape) is written and has no name")
            }
            if written & 1 << key.field != 0 {
                try reader.skip(key.wireType)
                continue
            }
            JSONOutput.append(written == 0 ? "\"" : ",\"", to: &json)
            JSONOutput.append(field.name, to: &json)
            JSONOutput.append("\":", to: &json)
            written |= 1 << key.field
            if case .messages(let inner) = field.spelling {
                try appendList(of: key.field, inner, from: &reader, to: &json)
            } else {
                try append(field.spelling, from: &reader, to: &json)
            }
        }
        json.append(UInt8(ascii: "}"))
    }

    /// All messages that are field `number` of what is left: in JSON they are one list, wherever they stand.
    ///
    /// - Parameter reader: behind the first one's key; afterwards behind those that follow it without another field between.
    private static func appendList(
        of number: UInt32, _ shape: OTLPShape, from reader: inout ProtobufReader, to json: inout [UInt8]
    ) throws(ProtobufFault) {
        json.append(UInt8(ascii: "["))
        try append(try reader.readMessage(), shape, to: &json)
        var rest = reader
        var isTogether = true
        while !rest.isAtEnd {
            let key = try rest.readKey()
            if key.field == number {
                json.append(UInt8(ascii: ","))
                try append(try rest.readMessage(), shape, to: &json)
                if isTogether { reader = rest }
            } else {
                try rest.skip(key.wireType)
                isTogether = false
            }
        }
        json.append(UInt8(ascii: "]"))
    }

    // MARK: Values

    private static func append(
        _ spelling: OTLPShape.Spelling, from reader: inout ProtobufReader, to json: inout [UInt8]
    ) throws(ProtobufFault) {
        switch spelling {
        case .message(let shape), .messages(let shape): try append(try reader.readMessage(), shape, to: &json)
        case .text: JSONOutput.append(string: try reader.readBytes(), to: &json)
        case .bool: JSONOutput.append(try reader.readVarint() == 0 ? "false" : "true", to: &json)
        case .hexadecimal: append(hexadecimal: try reader.readBytes(), to: &json)
        case .base64:
            quote(&json)
            Base64.append(try reader.readBytes(), to: &json)
            quote(&json)
        case .unsigned32: NumberPrinter.append(try reader.readVarint(), to: &json)
        case .signed32: NumberPrinter.append(Varint.unzigzag(try reader.readVarint()), to: &json)
        case .varint64: append(quoted: Int64(bitPattern: try reader.readVarint()), to: &json)
        case .fixed64: append(quoted: try reader.readFixed64(), to: &json)
        case .signedFixed64: append(quoted: Int64(bitPattern: try reader.readFixed64()), to: &json)
        case .double: append(double: try reader.readFixed64(), to: &json)
        case .packedFixed64:
            try appendPacked(from: &reader, to: &json) { (packed, json) throws(ProtobufFault) in
                append(quoted: try packed.readFixed64(), to: &json)
            }
        case .packedVarint64:
            try appendPacked(from: &reader, to: &json) { (packed, json) throws(ProtobufFault) in
                append(quoted: try packed.readVarint(), to: &json)
            }
        case .packedDouble:
            try appendPacked(from: &reader, to: &json) { (packed, json) throws(ProtobufFault) in
                append(double: try packed.readFixed64(), to: &json)
            }
        }
    }

    private static func appendPacked(
        from reader: inout ProtobufReader, to json: inout [UInt8],
        _ append: (inout ProtobufReader, inout [UInt8]) throws(ProtobufFault) -> Void
    ) throws(ProtobufFault) {
        var packed = try reader.readMessage()
        json.append(UInt8(ascii: "["))
        var isFirst = true
        while !packed.isAtEnd {
            if !isFirst { json.append(UInt8(ascii: ",")) }
            isFirst = false
            try append(&packed, &json)
        }
        json.append(UInt8(ascii: "]"))
    }

    private static func quote(_ json: inout [UInt8]) { json.append(UInt8(ascii: "\"")) }

    private static func append(quoted value: Int64, to json: inout [UInt8]) {
        quote(&json)
        NumberPrinter.append(value, to: &json)
        quote(&json)
    }

    private static func append(quoted value: UInt64, to json: inout [UInt8]) {
        quote(&json)
        NumberPrinter.append(value, to: &json)
        quote(&json)
    }

    private static func append(double bits: UInt64, to json: inout [UInt8]) {
        if FloatBits.isNaN(bits) { return JSONOutput.append("\"NaN\"", to: &json) }
        switch bits {
        case FloatBits.positiveInfinity: JSONOutput.append("\"Infinity\"", to: &json)
        case FloatBits.negativeInfinity: JSONOutput.append("\"-Infinity\"", to: &json)
        // Without the point many readers take it for an integer, which has no sign at zero.
        default: NumberPrinter.append(float64: bits, keepsPoint: bits == negativeZero, to: &json)
        }
    }

    private static let negativeZero = (-0.0).bitPattern

    private static func append(hexadecimal bytes: UnsafeRawBufferPointer, to json: inout [UInt8]) {
        quote(&json)
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                json.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
        quote(&json)
    }
}
