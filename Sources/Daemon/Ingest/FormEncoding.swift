import Metrics

/// `application/x-www-form-urlencoded`. <https://url.spec.whatwg.org/#application/x-www-form-urlencoded>
enum FormEncoding {
    static func decode(_ body: [UInt8]) -> [(name: String, value: String)] {
        body.split(separator: UInt8(ascii: "&")).map { pair in
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            return (text(parts[0]), parts.count > 1 ? text(parts[1]) : "")
        }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        var plain: [UInt8] = []
        var at = bytes.startIndex
        while at < bytes.endIndex {
            switch bytes[at] {
            case UInt8(ascii: "+"): plain.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard at + 2 < bytes.endIndex,
                    let value = UInt8(String(decoding: bytes[at + 1...at + 2], as: UTF8.self), radix: 16)
                else {
                    plain.append(bytes[at])
                    break
                }
                plain.append(value)
                at += 2
            default: plain.append(bytes[at])
            }
            at += 1
        }
        return String(decoding: plain, as: UTF8.self)
    }
}

extension Decompressor {
    /// A whole body at once.
    mutating func feedAll(_ body: [UInt8], into plain: inout [UInt8]) throws(WireError) {
        var failure: WireError?
        body.withUnsafeBytes { bytes in
            do throws(WireError) { try feed(bytes, into: &plain) } catch { failure = error }
        }
        if let failure { throw failure }
        try finish(into: &plain)
    }
}
