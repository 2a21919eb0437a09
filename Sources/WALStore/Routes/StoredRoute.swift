import CXXHash
import Metrics

/// Rules that a settlement went by, as its spool keeps them.
///
/// A row of `deliveries` names them by an id that follows from their text: a spool that lost its table of rules knows them again
/// as soon as it is told of them.
public struct StoredRoute: Sendable, Hashable {
    public let id: String
    /// `RouteRules.text`
    public let rules: String

    public init(_ rules: RouteRules) { self.init(text: rules.text) }

    init(text: String) {
        rules = text
        id = StoredRoute.id(of: text)
    }

    private static func id(of text: String) -> String {
        var text = text
        let hash = text.withUTF8 { holdfast_xxh3_128($0.baseAddress, $0.count) }.high64
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// `deliveries.reason`
    var reason: String { StoredRoute.prefix + id }
    static let prefix = "route "

    /// The id that a reason names; nil for another reason.
    static func id(ofReason reason: String) -> String? {
        guard reason.hasPrefix(prefix) else { return nil }
        let id = reason.dropFirst(prefix.count)
        return id.utf8.count == 16 ? String(id) : nil
    }
}
