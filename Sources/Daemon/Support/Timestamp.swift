import Glibc

/// Times and amounts as people read them.
enum Timestamp {
    /// RFC 3339 in UTC with milliseconds, from nanoseconds since the epoch.
    static func text(_ nanoseconds: Int64) -> String {
        let milliseconds = nanoseconds / 1_000_000
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let fraction = String(milliseconds % 1000 + 1000).dropFirst()
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
            + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)Z"
    }
}

enum Amount {
    /// `0 B`, `17 KiB`, `2.4 GiB`.
    static func bytes(_ count: Int64) -> String {
        var value = Double(count)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if abs(value) < 1024 { return "\(unit == "B" ? String(count) : short(value)) \(unit)" }
            value /= 1024
        }
        return "\(short(value)) TiB"
    }

    /// `0`, `980`, `20,280`.
    static func count(_ number: Int64) -> String {
        var text = ""
        for (index, digit) in String(number.magnitude).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + String(text.reversed())
    }

    /// `1 row`, `20,280 rows`.
    static func count(_ number: Int64, _ what: String) -> String { "\(count(number)) \(what)\(number == 1 ? "" : "s")" }

    /// `350ms`, `12s`, `4m10s`, `3h05m`, `2d4h`.
    static func duration(seconds: Double) -> String {
        guard seconds.isFinite else { return "-" }
        if seconds < 1 { return "\(Int(max(0, seconds) * 1000))ms" }
        let whole = Int(min(seconds, 1e12))
        if whole < 60 { return "\(whole)s" }
        if whole < 3600 { return "\(whole / 60)m\(whole % 60)s" }
        if whole < 86_400 { return "\(whole / 3600)h\(whole % 3600 / 60)m" }
        return "\(whole / 86_400)d\(whole % 86_400 / 3600)h"
    }

    /// One digit after the point while it says something.
    private static func short(_ value: Double) -> String {
        abs(value) >= 100 ? String(Int(value.rounded())) : "\((value * 10).rounded() / 10)"
    }
}
