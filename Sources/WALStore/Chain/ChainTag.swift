import CSQLite

/// What is stored with a row: in which life of the chain it was written, under the key of which epoch, and the code.
struct ChainTag: Hashable, Sendable {
    static let bytes = 24

    var life: UInt32
    var epoch: UInt32
    /// 16 bytes.
    var code: Code

    struct Code: Hashable, Sendable {
        var first: UInt64
        var second: UInt64
    }

    init(life: UInt32, epoch: UInt32, _ digest: ChainDigest) {
        self.life = life
        self.epoch = epoch
        code = Code(first: digest.half.0, second: digest.half.1)
    }

    /// nil for what no tag is.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == ChainTag.bytes else { return nil }
        life = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        epoch = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        code = Code(
            first: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            second: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
    }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var big = (
            (UInt64(life) << 32 | UInt64(epoch)).bigEndian, code.first.bigEndian, code.second.bigEndian
        )
        return withUnsafeBytes(of: &big) { body($0) }
    }
}

extension ChainKeys {
    /// The beginning of a row's code; its values follow.
    func beginTag(_ table: ChainTable, life: UInt32, epoch: UInt32) -> ChainMACInput {
        var input = tag.begin()
        input.add(table.tagNumber)
        input.add(life)
        input.add(epoch)
        return input
    }

    /// What a row adds to the sum of its table.
    ///
    /// - Parameter tag: as it is stored; empty for NULL.
    func element(_ table: ChainTable, id: Int64, tag: UnsafeRawBufferPointer) -> ChainDigest {
        var input = sum.begin()
        input.add(table.rawValue)
        input.add(id)
        input.add(tag)
        return input.end()
    }
}

extension ChainMACInput {
    /// A value with its type and its length, so that no two rows are the same bytes.
    ///
    /// - Parameter value: an `sqlite3_value`.
    mutating func add(value: OpaquePointer?) {
        let type = sqlite3_value_type(value)
        add(UInt8(truncatingIfNeeded: type))
        switch type {
        case SQLITE_INTEGER: add(sqlite3_value_int64(value))
        case SQLITE_FLOAT: add(sqlite3_value_double(value).bitPattern)
        case SQLITE_NULL: break
        default:
            // Not asked for as a blob, which would make one of a text.
            let bytes =
                type == SQLITE_TEXT ? UnsafeRawPointer(sqlite3_value_text(value)) : sqlite3_value_blob(value)
            let count = Int(sqlite3_value_bytes(value))
            add(Int64(count))
            add(UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : count))
        }
    }
}

/// Lends the bytes of an `sqlite3_value` that is a blob; none for any other.
func withBlob<Result>(_ value: OpaquePointer?, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    guard sqlite3_value_type(value) == SQLITE_BLOB, let bytes = sqlite3_value_blob(value) else {
        return body(UnsafeRawBufferPointer(start: nil, count: 0))
    }
    return body(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_value_bytes(value))))
}
