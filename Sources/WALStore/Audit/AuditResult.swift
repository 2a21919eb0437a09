import CSQLite
import Metrics

/// Where a column's value goes.
struct AuditResult {
    let context: OpaquePointer

    @inline(__always) func integer(_ value: Int64) { sqlite3_result_int64(context, value) }
    func null() { sqlite3_result_null(context) }

    /// SQLite has no NaN: it becomes NULL.
    @inline(__always)
    func float(_ bits: UInt64) {
        if FloatBits.isNaN(bits) { null() } else { sqlite3_result_double(context, Double(bitPattern: bits)) }
    }

    func text(_ bytes: [UInt8]) { bytes.withUnsafeBytes { text($0) } }
    func text(_ bytes: UnsafeRawBufferPointer) {
        // An empty buffer has no address, and SQLite would make NULL of it.
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return word("") }
        holdfast_sqlite_result_text(context, start, Int32(clamping: bytes.count))
    }
    func text(_ text: String) {
        var text = text
        text.withUTF8 { self.text(UnsafeRawBufferPointer($0)) }
    }
    func text(ifAny text: String) { text.isEmpty ? null() : self.text(text) }

    /// A name that stays where it is.
    @inline(__always)
    func text(lasting bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return word("") }
        holdfast_sqlite_result_lasting_text(context, start, Int32(truncatingIfNeeded: bytes.count))
    }
    func word(_ word: StaticString) {
        holdfast_sqlite_result_lasting_text(context, word.utf8Start, Int32(word.utf8CodeUnitCount))
    }

    func blob(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { holdfast_sqlite_result_blob(context, $0.baseAddress, Int32(clamping: $0.count)) }
    }

    /// As RFC 3339 has it, UTC.
    func time(_ nanoseconds: Int64) {
        var bytes: [UInt8] = []
        RFC3339.append(nanoseconds, to: &bytes)
        text(bytes)
    }
}

extension AuditResult {
    /// A scalar as SQLite has it, a text as it came, anything else as JSON.
    func value(_ ordinal: Int, of batch: Batch) {
        let bits = batch.points.bits[ordinal]
        switch batch.points.kind(at: ordinal) {
        case .float64: float(bits)
        case .int64, .bool: integer(Int64(bitPattern: bits))
        case .uint64:
            if let small = Int64(exactly: bits) { integer(small) } else { float(Double(bits).bitPattern) }
        case .string:
            let bytes = batch.strings[Int(truncatingIfNeeded: bits)]
            if bytes.withUnsafeBytes({ UTF8Check.isValid($0) }) { text(bytes) } else { blob(bytes) }
        case .explicitHistogram, .exponentialHistogram, .summary:
            var bytes: [UInt8] = []
            JSONRecordEncoder().appendObject(ordinal, of: batch, into: &bytes)
            text(bytes)
        }
    }

    func kind(_ kind: PointKind) {
        switch kind {
        case .float64: word("float")
        case .int64: word("int")
        case .uint64: word("uint")
        case .bool: word("bool")
        case .string: word("string")
        case .explicitHistogram: word("histogram")
        case .exponentialHistogram: word("exponential_histogram")
        case .summary: word("summary")
        }
    }

    /// What a series is besides its name and labels.
    func identity(_ part: AuditIdentity, _ series: AuditSeries, _ id: Int) {
        let (table, id) = series.find(id)
        let batch = table.batch
        let identity = batch.series.identity(of: UInt32(id))
        switch part {
        case .field: text(ifAny: batch.texts[Int(identity.field)])
        case .unit: text(ifAny: batch.texts[Int(identity.unit)])
        case .type: identity.kind == .unknown ? null() : word(RecordWords.word(of: identity.kind))
        case .temporality:
            identity.temporality == .unspecified ? null() : word(RecordWords.word(of: identity.temporality))
        case .monotonic: integer(identity.isMonotonic ? 1 : 0)
        case .resource:
            json(batch.resource(of: UInt32(id)).map { resource in { JSONRecordEncoder.append(resource, into: &$0) } })
        case .scope: json(batch.scope(of: UInt32(id)).map { scope in { JSONRecordEncoder.append(scope, into: &$0) } })
        }
    }

    private func json(_ append: ((inout [UInt8]) -> Void)?) {
        guard let append else { return null() }
        var bytes: [UInt8] = []
        append(&bytes)
        text(bytes)
    }
}

/// Parts of a series' identity that have a column.
enum AuditIdentity: Sendable {
    case field, unit, type, temporality, monotonic, resource, scope
}
