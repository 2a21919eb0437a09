import Forwarder

/// `alertmanager:` who hears of what is wrong with the node, and from when on it is wrong.
struct AlertmanagerSection: Sendable {
    var settings: AlertmanagerSettings
    var thresholds: AlertThresholds
    /// Of the section's text and the secrets it names: a reload replaces what changed, and leaves the rest alone.
    var fingerprint: [String]

    /// - Parameter node: the section as it was read.
    init(_ settings: Settings, _ node: SettingsNode, readSecret: (String) throws -> String) throws(SettingsError) {
        self.settings = try AlertmanagerSettings(settings, instance: HostName.text)
        thresholds = try AlertThresholds(settings)
        fingerprint = node.fingerprint(readSecret: readSecret)
    }
}

/// `pending_age`, `full_within`, `hold`.
struct AlertThresholds: Sendable, Hashable {
    /// A point that has waited for longer is late.
    var pendingAge = Duration.seconds(900)
    /// A budget that lasts for less is almost used up.
    var fullWithin = Duration.seconds(3600)
    /// What happens in a moment is an alert for so long.
    var hold = Duration.seconds(3600)

    init() {}

    init(_ settings: Settings) throws(SettingsError) {
        let range = Duration.seconds(1)...Duration.seconds(30 * 86_400)
        pendingAge = try settings.duration("pending_age", default: pendingAge, in: range)
        fullWithin = try settings.duration("full_within", default: fullWithin, in: range)
        hold = try settings.duration("hold", default: hold, in: range)
    }
}
