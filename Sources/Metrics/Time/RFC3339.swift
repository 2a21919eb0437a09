/// Times as people write them. <https://www.rfc-editor.org/rfc/rfc3339>
public enum RFC3339 {
    /// Nanoseconds since the epoch, or nil when the text is no RFC 3339 time or outside what an int64 holds
    /// (1677-09-21 to 2262-04-11). Digits past the ninth of a fraction are cut; a leap second is the second after it.
    public static func parse(_ text: String) -> Int64? {
        var text = text
        return text.withUTF8 { parse(UnsafeRawBufferPointer($0)) }
    }

    public static func parse(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        guard bytes.count >= 20, bytes.count <= 64,
            let year = digits(bytes, 0, 4), bytes[4] == UInt8(ascii: "-"),
            let month = digits(bytes, 5, 2), bytes[7] == UInt8(ascii: "-"),
            let day = digits(bytes, 8, 2), bytes[10] | 0x20 == UInt8(ascii: "t") || bytes[10] == UInt8(ascii: " "),
            let hour = digits(bytes, 11, 2), bytes[13] == UInt8(ascii: ":"),
            let minute = digits(bytes, 14, 2), bytes[16] == UInt8(ascii: ":"),
            let second = digits(bytes, 17, 2)
        else { return nil }
        guard (1...12).contains(month), day >= 1, day <= days(inMonth: month, of: year), hour <= 23, minute <= 59,
            second <= 60
        else { return nil }
        var at = 19
        guard let fraction = nanoseconds(bytes, &at), let offset = offset(bytes, at) else { return nil }
        let seconds = daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        let (product, over) = Int64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = product.addingReportingOverflow(fraction)
        return over || carry ? nil : sum
    }

    /// `2026-01-02T03:04:05Z`, with as many digits of a fraction as the time needs: none, 3, 6 or 9.
    public static func format(_ nanoseconds: Int64) -> String {
        var bytes: [UInt8] = []
        append(nanoseconds, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    public static func append(_ nanoseconds: Int64, to bytes: inout [UInt8]) {
        let perSecond: Int64 = 1_000_000_000
        var fraction = nanoseconds % perSecond
        var seconds = nanoseconds / perSecond
        if fraction < 0 {
            fraction += perSecond
            seconds -= 1
        }
        var day = seconds / 86_400
        var rest = seconds % 86_400
        if rest < 0 {
            rest += 86_400
            day -= 1
        }
        let (year, month, monthDay) = civil(Int(day))
        appendPadded(year, 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendPadded(month, 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendPadded(monthDay, 2, to: &bytes)
        bytes.append(UInt8(ascii: "T"))
        appendPadded(Int(rest) / 3600, 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendPadded(Int(rest) / 60 % 60, 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendPadded(Int(rest) % 60, 2, to: &bytes)
        if fraction != 0 {
            bytes.append(UInt8(ascii: "."))
            if fraction % 1_000_000 == 0 {
                appendPadded(Int(fraction / 1_000_000), 3, to: &bytes)
            } else if fraction % 1000 == 0 {
                appendPadded(Int(fraction / 1000), 6, to: &bytes)
            } else {
                appendPadded(Int(fraction), 9, to: &bytes)
            }
        }
        bytes.append(UInt8(ascii: "Z"))
    }

    private static func appendPadded(_ value: Int, _ width: Int, to bytes: inout [UInt8]) {
        var scale = 1
        for _ in 1..<width { scale *= 10 }
        while scale > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(value / scale % 10))
            scale /= 10
        }
    }

    private static func digits(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Int? {
        guard start + count <= bytes.count else { return nil }
        var value = 0
        for at in start..<start + count {
            let digit = bytes[at] &- UInt8(ascii: "0")
            if digit > 9 { return nil }
            value = value * 10 + Int(digit)
        }
        return value
    }

    private static func nanoseconds(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Int64? {
        guard at < bytes.count, bytes[at] == UInt8(ascii: ".") else { return 0 }
        at += 1
        let start = at
        var value: Int64 = 0
        while at < bytes.count, bytes[at] &- UInt8(ascii: "0") <= 9 {
            if at - start < 9 { value = value * 10 + Int64(bytes[at] - UInt8(ascii: "0")) }
            at += 1
        }
        if at == start { return nil }
        for _ in min(9, at - start)..<9 { value *= 10 }
        return value
    }

    /// Seconds east of UTC; nil unless it is the end of the text.
    private static func offset(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Int? {
        guard at < bytes.count else { return nil }
        if bytes[at] | 0x20 == UInt8(ascii: "z") { return at + 1 == bytes.count ? 0 : nil }
        guard bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-"), at + 6 == bytes.count,
            let hours = digits(bytes, at + 1, 2), bytes[at + 3] == UInt8(ascii: ":"),
            let minutes = digits(bytes, at + 4, 2), hours <= 23, minutes <= 59
        else { return nil }
        let seconds = hours * 3600 + minutes * 60
        return bytes[at] == UInt8(ascii: "-") ? -seconds : seconds
    }

    private static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01, in the proleptic Gregorian calendar: years begin in March, so that a leap day ends one.
    private static func daysSinceEpoch(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }
}
