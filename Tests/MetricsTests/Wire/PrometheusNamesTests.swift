import Testing

@testable import Metrics

struct PrometheusNamesTests {
    /// The rule as the specification spells it, a byte at a time.
    private static func isAllowed(_ byte: UInt8, isFirst: Bool, isMetric: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): !isFirst
        case UInt8(ascii: ":"): isMetric
        default: false
        }
    }

    @Test(arguments: [false, true])
    func `each byte is judged by itself, at each place of a name of any length`(isMetric: Bool) {
        for length in 1...25 {
            for place in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var name = [UInt8](repeating: UInt8(ascii: "z"), count: length)
                    name[place] = byte
                    let isValid = name.withUnsafeBytes { PrometheusNames.isValid($0, isMetric: isMetric) }
                    let wanted = PrometheusNamesTests.isAllowed(byte, isFirst: place == 0, isMetric: isMetric)
                    if isValid != wanted { Issue.record("\(byte) at \(place) of \(length): \(isValid)") }
                }
            }
        }
    }
}
