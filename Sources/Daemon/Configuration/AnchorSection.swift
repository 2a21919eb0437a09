import Forwarder
import Metrics

/// `chain.anchor:` how often the ends of the chains go to the tenants' backends, as points.
struct AnchorSection: Sendable, Hashable {
    struct Label: Sendable, Hashable {
        var name: String
        var value: String
    }

    var interval: Duration
    /// Added to every series, to find those of this node among others.
    var labels: [Label]

    private static let maximumLabels = 16

    init(_ settings: Settings) throws(SettingsError) {
        // A link is made for each: more often would fold away the links that older anchors name.
        interval = try settings.duration(
            "interval", default: .seconds(3600), in: .seconds(600) ... .seconds(30 * 86_400))
        labels = try settings.pairs("labels").map { Label(name: $0.0, value: $0.1) }
        try check(settings)
    }

    private func check(_ settings: Settings) throws(SettingsError) {
        let (name, line) = (settings.name(of: "labels"), settings.line(of: "labels"))
        guard labels.count <= AnchorSection.maximumLabels else {
            throw SettingsError("\(name) may be \(AnchorSection.maximumLabels) at most", line: line)
        }
        for label in labels where AnchorPoints.reserved.contains(label.name) || label.name.hasPrefix("__") {
            throw SettingsError("\(name).\(label.name): an anchor has that label of its own", line: line)
        }
        var builder = LabelBuilder()
        for label in labels { builder.add(label.name, label.value) }
        do throws(LabelFault) { try builder.finish(requiresName: false) } catch {
            throw SettingsError("\(name): no series can have these labels (\(error))", line: line)
        }
    }
}
