import Metrics
import WALStore

/// A row of an answer as a line of CSV or NDJSON.
struct SqlLine {
    let columns: [String]
    /// Whose answer it is, as a first column.
    let tenant: String?
    /// By column: its texts are JSON objects.
    private let isObject: [Bool]

    init(_ names: [String], tenant: String?) {
        columns = (tenant == nil ? [] : ["tenant"]) + names
        self.tenant = tenant
        isObject = columns.map { ["labels", "resource", "scope"].contains($0) }
    }

    func appendHeader(to bytes: inout [UInt8]) {
        for (index, name) in columns.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            var name = name
            name.withUTF8 { SqlValue.append(csv: .text(UnsafeRawBufferPointer($0)), to: &bytes) }
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    /// RFC 4180 ends lines with CR and LF; all that read it take this, too.
    func append(csv row: AuditAnswerRow, to bytes: inout [UInt8]) {
        for index in columns.indices {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            withValue(index, of: row) { SqlValue.append(csv: $0, to: &bytes) }
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    func append(json row: AuditAnswerRow, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        for index in columns.indices {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            JSONOutput.append(string: columns[index], to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            withValue(index, of: row) { SqlValue.append(json: $0, isObject: isObject[index], to: &bytes) }
        }
        bytes.append(contentsOf: "}\n".utf8)
    }

    func withValue(_ index: Int, of row: AuditAnswerRow, _ body: (AuditAnswerRow.Value) -> Void) {
        guard var tenant else { return body(row[index]) }
        if index > 0 { return body(row[index - 1]) }
        tenant.withUTF8 { body(.text(UnsafeRawBufferPointer($0))) }
    }
}
