extension HTTPEndpoint {
    private static let ways = ["basic_auth", "bearer_token", "aws_sigv4"]

    /// `basic_auth: { username, password }`, `bearer_token`, or `aws_sigv4: { region, service, access_key, secret_key,
    /// session_token }`.
    static func authentication(_ settings: Settings) throws(SettingsError) -> HTTPRequest.Authentication {
        let given = ways.filter { settings.has($0) }
        if given.count > 1 {
            throw SettingsError(
                "\(settings.path): \(given[0]) and \(given[1]) exclude each other", line: settings.line(of: given[1]))
        }
        if let token = try settings.secret("bearer_token") {
            return .bearer(try usable(token, settings, "bearer_token"))
        }
        if let section = try settings.section("basic_auth") { return try basic(section) }
        if let section = try settings.section("aws_sigv4") { return .aws(try signature(section)) }
        return .none
    }

    private static func basic(_ section: Settings) throws(SettingsError) -> HTTPRequest.Authentication {
        let user = try section.required("username")
        guard !user.contains(":"), HTTPRequest.isHeader(name: "x", value: user) else {
            // RFC 7617 section 2.
            throw SettingsError(
                "\(section.name(of: "username")) must not hold a colon or a control character",
                line: section.line(of: "username"))
        }
        return .basic(user: user, password: try present(section, "password"))
    }

    private static func signature(_ section: Settings) throws(SettingsError) -> AWSSignature {
        var signature = AWSSignature(
            region: try word(section, "region"), service: try word(section, "service"),
            accessKey: try word(section, "access_key"),
            secretKey: try usable(try present(section, "secret_key"), section, "secret_key"))
        if let token = try section.secret("session_token") {
            signature.sessionToken = try usable(token, section, "session_token")
        }
        return signature
    }

    private static func present(_ section: Settings, _ key: String) throws(SettingsError) -> Secret {
        guard let secret = try section.secret(key) else {
            throw SettingsError("\(section.name(of: key)) is missing", line: section.line)
        }
        return secret
    }

    /// A part of the scope that is signed, where colons and slashes divide.
    private static func word(_ section: Settings, _ key: String) throws(SettingsError) -> String {
        let text = try section.required(key)
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }), !text.contains(where: { ":/".contains($0) })
        else {
            throw SettingsError(
                "\(section.name(of: key)) is empty, or has a blank, a colon or a slash in it",
                line: section.line(of: key))
        }
        return text
    }

    /// A secret that a header can carry: not empty, no control characters.
    static func usable(_ secret: Secret, _ settings: Settings, _ key: String) throws(SettingsError) -> Secret {
        guard !secret.reveal.isEmpty, HTTPRequest.isHeader(name: "x", value: secret.reveal) else {
            throw SettingsError(
                "\(settings.name(of: key)) is empty, or has a control character in it", line: settings.line(of: key))
        }
        return secret
    }
}
