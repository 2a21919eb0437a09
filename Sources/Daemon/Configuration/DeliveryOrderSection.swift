import Forwarder

/// `order: oldest_first | fresh_first` of a backend, and the keys that say how the second is done.
enum DeliveryOrderSection {
    private enum Name: String, CaseIterable {
        case oldestFirst = "oldest_first"
        case freshFirst = "fresh_first"
    }

    private static let keys = ["backlog_share", "fresh_within", "out_of_order_window"]
    private static let longest: Duration = .seconds(36_500 * 86_400)

    static func read(_ settings: Settings) throws(SettingsError) -> DeliveryOrder {
        guard try settings.choice("order", default: Name.oldestFirst) == .freshFirst else {
            for key in keys where settings.has(key) {
                throw SettingsError(
                    "\(settings.name(of: key)) says nothing without order: fresh_first", line: settings.line(of: key))
            }
            return .oldestFirst
        }
        var catchUp = CatchUp()
        catchUp.share = Double(try percent(settings, "backlog_share", default: 50, in: 1...99)) / 100
        let fresh = try settings.duration(
            "fresh_within", default: .seconds(catchUp.freshSeconds), in: .seconds(1) ... .seconds(86_400))
        catchUp.freshSeconds = fresh.components.seconds
        if try settings.string("out_of_order_window") != "unlimited", settings.has("out_of_order_window") {
            let window = try settings.duration("out_of_order_window", default: .zero, in: .seconds(1)...longest)
            catchUp.outOfOrderSeconds = window.components.seconds
        }
        guard catchUp.canGoAhead else {
            let key = "out_of_order_window"
            throw SettingsError(
                "\(settings.name(of: key)) must be more than four times fresh_within, "
                    + "\(Amount.duration(seconds: 4 * Double(catchUp.freshSeconds))): points are backlog once they have waited "
                    + "for twice fresh_within, and go first once they are older than half of the window, so nothing would ever "
                    + "go ahead. Make fresh_within smaller, or the window larger, here and at the receiver",
                line: settings.line(of: key))
        }
        return .freshFirst(catchUp)
    }

    /// Older points after newer ones are what some backends refuse: then the config says how old they may be, or that it
    /// does not matter.
    static func check(_ order: DeliveryOrder, _ backend: any Backend, _ settings: Settings) throws(SettingsError) {
        guard case .freshFirst = order, backend.mayRefuseOldPoints, !settings.has("out_of_order_window") else { return }
        throw SettingsError(
            "\(settings.name(of: "order")): fresh_first sends older points after newer ones, and this type of backend may "
                + "refuse them, which makes dead letters of a backlog. \(backend.oldPoints) Say how old they may be with "
                + "out_of_order_window: 24h, or unlimited where any order is taken",
            line: settings.line(of: "order"))
    }

    /// `50%`.
    private static func percent(
        _ settings: Settings, _ key: String, default fallback: Int, in range: ClosedRange<Int>
    ) throws(SettingsError) -> Int {
        guard let text = try settings.string(key) else { return fallback }
        guard text.hasSuffix("%"), let value = Int(text.dropLast()), range.contains(value) else {
            throw SettingsError(
                "\(settings.name(of: key)): \"\(text)\" is not a whole percentage from \(range.lowerBound)% to "
                    + "\(range.upperBound)%", line: settings.line(of: key))
        }
        return value
    }
}

extension DeliveryOrder {
    /// As in the config.
    var name: String {
        switch self {
        case .oldestFirst: "oldest_first"
        case .freshFirst: "fresh_first"
        }
    }

    /// For `check`, behind the type; empty for what is customary.
    var words: String {
        guard case .freshFirst(let catchUp) = self else { return "" }
        let share = Int((catchUp.share * 100).rounded())
        var words = ", fresh points first; while they wait the backlog has \(share)% of what is sent"
        if let window = catchUp.outOfOrderSeconds {
            words += ", and one older than \(Amount.duration(seconds: Double(window) / 2)) goes first"
        }
        return words
    }
}
