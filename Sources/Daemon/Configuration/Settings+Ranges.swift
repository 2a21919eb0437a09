import Forwarder

/// Values with a default and bounds, so that no limit can be configured away.
extension Settings {
    func size(_ key: String, default fallback: Int, in range: ClosedRange<Int>) throws(SettingsError) -> Int {
        guard let value = try size(key) else { return fallback }
        guard range.contains(value) else {
            throw SettingsError(
                "\(path).\(key) must be from \(range.lowerBound) to \(range.upperBound) bytes", line: line(of: key))
        }
        return value
    }

    func duration(
        _ key: String, default fallback: Duration, in range: ClosedRange<Duration>
    ) throws(SettingsError) -> Duration {
        guard let value = try duration(key) else { return fallback }
        guard range.contains(value) else {
            throw SettingsError(
                "\(path).\(key) must be from \(range.lowerBound) to \(range.upperBound)", line: line(of: key))
        }
        return value
    }
}
