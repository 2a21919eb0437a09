import Metrics

/// Rules that a settlement went by, as its spool keeps them.
///
/// A row of `deliveries` names them by an id that follows from their text: a spool that lost its table of rules knows them again
/// as soon as it is told of them. And where the row is in the chain, so is the text: nobody finds another one of that id.
public struct StoredRoute: Sendable, Hashable {
    public let id: String
    /// `RouteRules.text`
    public let rules: String

    public init(_ rules: RouteRules) { self.init(text: rules.text) }

    init(text: String) {
        rules = text
        id = StoredRoute.id(of: text)
    }

    /// The first 12 bytes of the SHA-256, in the base64 of URLs. <https://www.rfc-editor.org/rfc/rfc4648#section-5>
    private static func id(of text: String) -> String {
        let digest = SHA256()
        digest.update(text.utf8)
        var id: [UInt8] = []
        Base64.append(digest.current().prefix(12), to: &id)
        for (index, byte) in id.enumerated() {
            switch byte {
            case UInt8(ascii: "+"): id[index] = UInt8(ascii: "-")
            case UInt8(ascii: "/"): id[index] = UInt8(ascii: "_")
            default: break
            }
        }
        return String(decoding: id, as: UTF8.self)
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
