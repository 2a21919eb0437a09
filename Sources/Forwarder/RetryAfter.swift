/// The `Retry-After` header: seconds, or a date. RFC 9110 section 10.2.3.
public enum RetryAfter {
    /// - Parameters:
    ///   - value: the header's value as it came.
    ///   - now: wall clock, nanoseconds since the epoch; dates count from it.
    /// - Returns: how long to wait, zero for a date that has passed; nil when it is neither form.
    public static func parse(_ value: String, now: Int64) -> Duration? {
        if let seconds = Int64(value), !value.hasPrefix("+") {
            return seconds < 0 ? nil : .seconds(min(seconds, 1 << 40))
        }
        guard let date = httpDate(value) else { return nil }
        return .seconds(max(0, date - now / 1_000_000_000))
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Seconds since the epoch of an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`: the one form senders may still
    /// generate. RFC 9110 section 5.6.7.
    static func httpDate(_ text: String) -> Int64? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", words[0].hasSuffix(","), let day = number(words[1], 2),
            let month = months.firstIndex(of: String(words[2])), let year = number(words[3], 4)
        else { return nil }
        let clock = words[4].split(separator: ":", omittingEmptySubsequences: false)
        guard clock.count == 3, let hour = number(clock[0], 2), let minute = number(clock[1], 2),
            let second = number(clock[2], 2), (1...31).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        return daysSinceEpoch(year: year, month: Int64(month) + 1, day: day) * 86_400 + hour * 3600 + minute * 60
            + second
    }

    private static func number(_ text: Substring, _ digits: Int) -> Int64? {
        guard text.utf8.count == digits, text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
        return Int64(text)
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar, counting years from March so that the leap day is last.
    private static func daysSinceEpoch(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
