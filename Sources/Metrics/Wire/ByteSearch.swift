#if canImport(Glibc)
    import Glibc
#endif

/// Searches in bytes.
package enum ByteSearch {
    /// The index of the first `byte`, or nil.
    @inline(__always)
    package static func first(_ byte: UInt8, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress, let found = memchr(base, Int32(byte), bytes.count) else { return nil }
        return UnsafeRawPointer(found) - base
    }
}
