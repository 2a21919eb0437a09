/// How one value is written: a class byte, then as many bytes as the class says.
///
/// | class | bytes | value |
/// | --- | --- | --- |
/// | 0 | 0 | the series' last bits again (0 before the first) |
/// | 1...8 | class | the series' last integer + zigzag, at its last scale |
/// | 16...127 | 1...8 | zigzag integer of (class - 16) % 8 + 1 bytes, at scale (class - 16) / 8 |
/// | 128...191 | 1...8 | the last bits XOR ((class - 128) % 8 + 1 bytes, shifted left by (class - 128) / 8 bytes) |
///
/// A value is written at a scale only when its integer gives back the very same bits: -0, NaN and infinities always travel
/// as bits. Counters of seconds (`12345.67`) and of bytes become small steps. int64, uint64 and bool points use classes
/// 0...8 on their bits.
enum ValueClass {
    static let same: UInt8 = 0
    static let decimalBase: UInt8 = 16
    static let xorBase: UInt8 = 128
}

/// How a double comes from an integer.
///
/// | scale | value | who writes such |
/// | --- | --- | --- |
/// | 0...9 | integer / 10^scale | most of the world: a decimal as a parser reads it |
/// | 10 | integer * 0.001 | milliseconds as seconds by a factor: `238.60500000000002`, a node exporter's disk times |
/// | 11 | integer * 0.000001 | |
/// | 12 | integer * 0.000000001 | |
/// | 13 | integer / 1000 / 1000 | microseconds as seconds in two steps: a node exporter's pressure |
enum ValueScale {
    static let count: UInt8 = 14
    /// Decimals that are tried first, the shortest first.
    static let short: Range<UInt8> = 0..<5
    static let long: Range<UInt8> = 5..<9
    /// What every decimal of `long` is too.
    static let longest: UInt8 = 9
    static let products: Range<UInt8> = 10..<14

    /// Integers from here on are not all exact in a double.
    static let integerLimit = 9_007_199_254_740_992.0

    /// What a value is multiplied by to find its integer: a power of ten, exact in a double.
    @inline(__always)
    static func power(_ scale: UInt8) -> Double {
        switch scale {
        case 0: 1
        case 1: 10
        case 2: 100
        case 3, 10: 1000
        case 4: 10_000
        case 5: 100_000
        case 6, 11, 13: 1_000_000
        case 7: 10_000_000
        case 8: 100_000_000
        default: 1_000_000_000
        }
    }

    @inline(__always)
    static func value(_ integer: Double, _ scale: UInt8) -> Double {
        if scale <= longest { return integer / power(scale) }
        switch scale {
        case 10: return integer * 0.001
        case 11: return integer * 0.000_001
        case 12: return integer * 0.000_000_001
        default: return integer / 1000 / 1000
        }
    }
}

/// What is known of a series while its values are written or read.
struct ValuePredictor {
    var bits: UInt64 = 0
    /// The last value is `integer` at `scale`.
    var integer: Int64 = 0
    var scale: UInt8 = ValuePredictor.fresh

    /// Nothing written yet.
    static let fresh: UInt8 = 254
    /// The last value came from no integer, so the next one is not tried as one.
    static let bitsOnly: UInt8 = 255

    /// The integer that stands for the double `bits` at `scale`, when exactly that double comes back from it.
    @inline(__always)
    static func integer(for bits: UInt64, scale: UInt8) -> Int64? {
        let product = (Double(bitPattern: bits) * ValueScale.power(scale)).rounded(.toNearestOrEven)
        guard product.magnitude < ValueScale.integerLimit else { return nil }
        let integer = Int64(product)
        return ValueScale.value(Double(integer), scale).bitPattern == bits ? integer : nil
    }

    /// The first scale that holds the double `bits`, and its integer there.
    static func firstScale(for bits: UInt64) -> (scale: UInt8, integer: Int64)? {
        for scale in ValueScale.short {
            if let integer = integer(for: bits, scale: scale) { return (scale, integer) }
        }
        // Most of what is no decimal of nine places is none of fewer.
        if let longest = integer(for: bits, scale: ValueScale.longest) {
            for scale in ValueScale.long {
                if let integer = integer(for: bits, scale: scale) { return (scale, integer) }
            }
            return (ValueScale.longest, longest)
        }
        for scale in ValueScale.products {
            if let integer = integer(for: bits, scale: scale) { return (scale, integer) }
        }
        return nil
    }

    @inline(__always)
    static func bits(of integer: Int64, scale: UInt8) -> UInt64 {
        ValueScale.value(Double(integer), scale).bitPattern
    }
}
