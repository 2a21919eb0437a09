/// Parts of a record by themselves, for whoever shows points in columns.
extension JSONRecordEncoder {
    /// The value of a point that is no scalar: an object, as the record's member has it.
    package func appendObject(_ ordinal: Int, of batch: Batch, into body: inout [UInt8]) {
        JSONRecordEncoder.withoutKey(&body) { body in appendValue(ordinal, of: batch, into: &body) }
    }

    package static func append(_ resource: Resource, into body: inout [UInt8]) {
        withoutKey(&body) { body in RecordResource.append(resource, to: &body) }
    }

    package static func append(_ scope: Scope, into body: inout [UInt8]) {
        withoutKey(&body) { body in RecordResource.append(scope, to: &body) }
    }

    /// Leaves of a member (`,"key":value`) the value.
    private static func withoutKey(_ body: inout [UInt8], _ append: (inout [UInt8]) -> Void) {
        let start = body.count
        append(&body)
        guard let colon = body[start...].firstIndex(of: UInt8(ascii: ":")) else { return }
        body.removeSubrange(start...colon)
    }
}
