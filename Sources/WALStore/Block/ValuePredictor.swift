/// How one value is written: a class byte, then as many bytes as the class says.
///
/// | class | bytes | value |
/// | --- | --- | --- |
/// | 0 | 0 | the series' last bits again (0 before the first) |
/// | 1...8 | class | the series' last integer + zigzag, at its last scale |
/// | 16...55 | 1...8 | zigzag integer of (class - 16) % 8 + 1 bytes, at scale (class - 16) / 8 |
/// | 128...191 | 1...8 | the last bits XOR ((class - 128) % 8 + 1 bytes, shifted left by (class - 128) / 8 bytes) |
///
/// A value of scale s is integer / 10^s, and it is written so only when that division gives back the very same bits:
/// -0, NaN and infinities always travel as bits. Counters of seconds (`12345.67`) and of bytes become small steps.
/// int64, uint64 and bool points use classes 0...8 on their bits.
enum ValueClass {
    static let same: UInt8 = 0
    static let decimalBase: UInt8 = 16
    static let xorBase: UInt8 = 128
    static let scales: UInt8 = 5

    /// 10^scale, exact in a double.
    @inline(__always)
    static func power(_ scale: UInt8) -> Double {
        switch scale {
        case 0: 1
        case 1: 10
        case 2: 100
        case 3: 1000
        default: 10_000
        }
    }

    /// Integers from here on are not all exact in a double.
    static let integerLimit = 9_007_199_254_740_992.0
}

/// What is known of a series while its values are written or read.
struct ValuePredictor {
    var bits: UInt64 = 0
    /// The last value is `integer` / 10^`scale`.
    var integer: Int64 = 0
    var scale: UInt8 = ValuePredictor.fresh

    /// Nothing written yet.
    static let fresh: UInt8 = 254
    /// The last value was no short decimal, so the next one is not tried as one.
    static let bitsOnly: UInt8 = 255

    /// The integer that stands for the double `bits` at `scale`, when exactly that double comes back from it.
    @inline(__always)
    static func integer(for bits: UInt64, scale: UInt8) -> Int64? {
        let power = ValueClass.power(scale)
        let product = (Double(bitPattern: bits) * power).rounded(.toNearestOrEven)
        guard product.magnitude < ValueClass.integerLimit else { return nil }
        let integer = Int64(product)
        return (Double(integer) / power).bitPattern == bits ? integer : nil
    }

    @inline(__always)
    static func bits(of integer: Int64, scale: UInt8) -> UInt64 {
        (Double(integer) / ValueClass.power(scale)).bitPattern
    }
}
