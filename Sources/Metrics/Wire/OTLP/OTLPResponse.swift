/// What an OTLP server says of a request that it took (`ExportMetricsServiceResponse`).
public struct OTLPResponse: Sendable, Equatable {
    /// Points that it did not take, which are not named.
    public var rejectedPoints: Int64 = 0
    /// For people; also there when everything was taken, as a warning.
    public var message = ""

    public init(rejectedPoints: Int64 = 0, message: String = "") {
        self.rejectedPoints = rejectedPoints
        self.message = message
    }

    /// Reads protobuf; no bytes are a full success.
    public init(protobuf body: [UInt8]) throws(WireError) {
        let found = body.withUnsafeBytes { bytes in
            Result { () throws(ProtobufFault) in try OTLPResponse.read(bytes) }
        }
        do throws(ProtobufFault) { self = try found.get() } catch { throw WireError(error) }
    }

    /// Reads JSON.
    public init(json body: [UInt8]) throws(WireError) {
        let partial = try JSONValue.parse(body, depth: 16, values: 1024)["partialSuccess"]
        // 64-bit integers are texts in protobuf's JSON; some write numbers.
        let rejected = partial?["rejectedDataPoints"]
        rejectedPoints = rejected?.int ?? rejected?.string.flatMap { Int64($0) } ?? 0
        message = partial?["errorMessage"]?.string ?? ""
    }

    private static func read(_ bytes: UnsafeRawBufferPointer) throws(ProtobufFault) -> OTLPResponse {
        var response = OTLPResponse()
        var reader = ProtobufReader(bytes)
        while !reader.isAtEnd {
            let key = try reader.readKey()
            guard key.field == OTLPField.Response.partialSuccess else {
                try reader.skip(key.wireType)
                continue
            }
            try reader.expect(.bytes, of: key)
            var partial = try reader.readMessage()
            while !partial.isAtEnd {
                let key = try partial.readKey()
                switch key.field {
                case OTLPField.Response.rejectedPoints:
                    try partial.expect(.varint, of: key)
                    response.rejectedPoints = Int64(bitPattern: try partial.readVarint())
                case OTLPField.Response.message:
                    try partial.expect(.bytes, of: key)
                    response.message = String(decoding: try partial.readBytes(), as: UTF8.self)
                default: try partial.skip(key.wireType)
                }
            }
        }
        return response
    }
}
