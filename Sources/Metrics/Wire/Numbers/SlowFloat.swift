/// The correct parser for spellings that the fast one does not decide: Swift's own, which rounds to nearest, ties to
/// even, and knows no locale.
enum SlowFloat {
    /// - Parameter bytes: a decimal or hexadecimal float whose syntax was checked.
    static func parse(_ bytes: UnsafeRawBufferPointer) throws(NumberFault) -> UInt64 {
        guard let value = Double(String(decoding: bytes, as: UTF8.self)) else { throw .syntax }
        if value.isInfinite { throw .range }
        return value.bitPattern
    }
}
