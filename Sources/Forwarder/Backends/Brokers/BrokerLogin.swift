/// Who we say we are to a broker: `basic_auth: { username, password }`.
struct BrokerLogin: Sendable {
    var user: String
    var password: Secret

    /// - Returns: nil where the config names nobody.
    init?(_ settings: Settings) throws(SettingsError) {
        guard let basic = try settings.section("basic_auth") else { return nil }
        user = try basic.required("username")
        guard let secret = try basic.secret("password") else {
            throw SettingsError("\(basic.name(of: "password")) is missing", line: basic.line)
        }
        password = try HTTPEndpoint.usable(secret, basic, "password")
    }
}
