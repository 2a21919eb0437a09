#if canImport(Glibc)
    import Glibc
#endif

/// Protobuf's base-128 varints, shortest form. <https://protobuf.dev/programming-guides/encoding/>
public enum Varint {
    @inline(__always) public static func length(_ value: Int) -> Int { length(UInt64(value)) }
    @inline(__always) public static func length(_ value: UInt64) -> Int {
        (70 - (value | 1).leadingZeroBitCount) / 7
    }
    @inline(__always) public static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: value))
    }
    @inline(__always) public static func zigzag(_ value: Int64) -> UInt64 {
        UInt64(bitPattern: (value << 1) ^ (value >> 63))
    }
    @inline(__always) public static func unzigzag(_ value: UInt64) -> Int64 {
        Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
}

/// Bytewise order, as remote write sorts label names.
public enum ByteOrder {
    @inline(__always)
    public static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        let shared = min(left.count, right.count)
        if shared > 0, let a = left.baseAddress, let b = right.baseAddress {
            let order = memcmp(a, b, shared)
            if order != 0 { return Int(order) }
        }
        return left.count - right.count
    }
}

/// Strict UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF), with a fast way for ASCII.
public enum UTF8Check {
    public static func isValid(_ bytes: ArraySlice<UInt8>) -> Bool { bytes.withUnsafeBytes(isValid) }

    public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var at = 0
        while at + 8 <= bytes.count {
            if bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) & 0x8080_8080_8080_8080 != 0 { break }
            at += 8
        }
        while at < bytes.count, bytes[at] < 0x80 { at += 1 }
        return at == bytes.count || isValidSlow(bytes, from: at)
    }

    private static func isValidSlow(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Bool {
        var at = start
        while at < bytes.count {
            let lead = bytes[at]
            if lead < 0x80 {
                at += 1
                continue
            }
            let (following, low, high): (Int, UInt8, UInt8)
            switch lead {
            case 0xC2...0xDF: (following, low, high) = (1, 0x80, 0xBF)
            case 0xE0: (following, low, high) = (2, 0xA0, 0xBF)
            case 0xE1...0xEC, 0xEE...0xEF: (following, low, high) = (2, 0x80, 0xBF)
            case 0xED: (following, low, high) = (2, 0x80, 0x9F)
            case 0xF0: (following, low, high) = (3, 0x90, 0xBF)
            case 0xF1...0xF3: (following, low, high) = (3, 0x80, 0xBF)
            case 0xF4: (following, low, high) = (3, 0x80, 0x8F)
            default: return false
            }
            guard at + following < bytes.count, (low...high).contains(bytes[at + 1]) else { return false }
            for next in 2..<max(2, following + 1) where bytes[at + next] & 0xC0 != 0x80 { return false }
            at += following + 1
        }
        return true
    }
}
