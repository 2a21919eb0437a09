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

    /// A name in the middle of its labels, with other bytes behind it.
    @Test func `a label's name is judged without what stands behind it`() {
        for length in 1...20 {
            for place in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var name = [UInt8](repeating: UInt8(ascii: "z"), count: length)
                    name[place] = byte
                    let isAllowed = PrometheusNamesTests.isAllowed(byte, isFirst: place == 0, isMetric: false)
                    let label = PrometheusNamesTests.label(name, [0x2d])
                    let alone = label.withUnsafeBytes { PrometheusNames.areValid(labels: $0) }
                    let more = (label + PrometheusNamesTests.label(Array("zzzz".utf8), Array("-- --".utf8)))
                        .withUnsafeBytes { PrometheusNames.areValid(labels: $0) }
                    if alone != isAllowed || more != isAllowed {
                        Issue.record("\(byte) at \(place) of \(length): \(alone), \(more)")
                    }
                }
            }
        }
        let name = Array("__name__".utf8)
        #expect(
            PrometheusNamesTests.label(name, Array("a:b".utf8)).withUnsafeBytes { PrometheusNames.areValid(labels: $0) }
        )
        #expect(
            !PrometheusNamesTests.label(name, Array("a-b".utf8)).withUnsafeBytes {
                PrometheusNames.areValid(labels: $0)
            })
        let long = [UInt8](repeating: UInt8(ascii: "l"), count: 300)
        #expect(PrometheusNamesTests.label(long, long).withUnsafeBytes { PrometheusNames.areValid(labels: $0) })
    }

    private static func label(_ name: [UInt8], _ value: [UInt8]) -> [UInt8] {
        func field(_ tag: UInt8, _ bytes: [UInt8]) -> [UInt8] {
            var field = [tag]
            Varint.append(UInt64(bytes.count), to: &field)
            return field + bytes
        }
        return field(0x0A, field(0x0A, name) + field(0x12, value))
    }
}
