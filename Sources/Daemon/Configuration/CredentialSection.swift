import Forwarder

/// `tenants.<id>.credentials:` who may write as this tenant.
struct CredentialSection: Sendable, Hashable {
    struct User: Sendable, Hashable {
        var name: String
        var password: Secret
    }
    /// `Authorization: Bearer ...` <https://www.rfc-editor.org/rfc/rfc6750>, or InfluxDB's `Token ...`.
    var tokens: [Secret] = []
    /// `Authorization: Basic ...` <https://www.rfc-editor.org/rfc/rfc7617>.
    var users: [User] = []

    static let none = CredentialSection()
    var isEmpty: Bool { tokens.isEmpty && users.isEmpty }

    private init() {}

    init(_ settings: Settings) throws(SettingsError) {
        tokens = try settings.secrets("tokens")
        for section in try settings.listedSections("users") {
            let name = try section.required("name")
            guard let password = try section.secret("password"), !password.reveal.isEmpty else {
                throw SettingsError("\(section.path).password is missing or empty", line: section.line)
            }
            guard !name.contains(":") else {
                throw SettingsError("\(section.path).name must not contain a colon", line: section.line(of: "name"))
            }
            users.append(User(name: name, password: password))
        }
        guard !isEmpty else {
            throw SettingsError(
                "\(settings.path) has neither tokens nor users; leave it out to need none", line: settings.line)
        }
    }
}
