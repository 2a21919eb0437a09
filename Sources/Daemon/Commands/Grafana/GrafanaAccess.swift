import Forwarder
import Metrics

/// Where Grafana is, and who we are there.
struct GrafanaAccess: Sendable {
    static let tokenVariable = "HOLDFAST_GRAFANA_TOKEN"
    static let passwordVariable = "HOLDFAST_GRAFANA_PASSWORD"

    static let options = [
        CommandHelp.Option(name: "--url", value: "URL", text: "Grafana's address, with its sub-path where it has one."),
        CommandHelp.Option(
            name: "--token-file", value: "FILE",
            text: "The token of a service account. Default: the variable \(tokenVariable)."),
        CommandHelp.Option(name: "--user", value: "NAME", text: "Log in as this user, instead of with a token."),
        CommandHelp.Option(
            name: "--password-file", value: "FILE",
            text: "The user's password. Default: the variable \(passwordVariable)."),
        CommandHelp.Option(
            name: "--org", value: "ID", text: "The organisation, for a user who has several. A token has one."),
        CommandHelp.Option(name: "--ca-file", value: "FILE", text: "Trust these authorities, instead of the system's."),
        CommandHelp.Option(name: "--cert-file", value: "FILE", text: "Our certificate, with --key-file."),
        CommandHelp.Option(name: "--key-file", value: "FILE", text: "Its key."),
        CommandHelp.Option(
            name: "--server-name", value: "NAME", text: "The name in Grafana's certificate, if it is not the URL's."),
        CommandHelp.Option(name: "--proxy", value: "URL", text: "Ask through this proxy."),
        CommandHelp.Option(name: "--timeout", value: "DURATION", text: "For one request, up to 10m. Default: 30s."),
    ]

    /// Without a slash at its end.
    var url: String
    var authentication: HTTPRequest.Authentication
    var organisation: Int?
    var tls = TLSOptions()
    var proxy: String?
    var timeout = Duration.seconds(30)

    init(url: String, authentication: HTTPRequest.Authentication) {
        self.url = url
        self.authentication = authentication
    }

    /// - Parameter readSecret: turns `file:...` or `env:...` into the secret.
    init(
        _ arguments: Arguments, readSecret: (String) throws -> String = Settings.systemSecret
    ) throws(UsageError) {
        guard let address = arguments.value("--url") else {
            throw UsageError("where is Grafana? holdfast grafana needs --url")
        }
        url = try Self.address(address, "--url")
        authentication = try Self.authentication(arguments, readSecret)
        if arguments.value("--org") != nil {
            organisation = try arguments.int("--org", default: 1, in: 1...Int(Int32.max))
        }
        tls.caFile = arguments.value("--ca-file")
        tls.certFile = arguments.value("--cert-file")
        tls.keyFile = arguments.value("--key-file")
        tls.serverName = arguments.value("--server-name")
        guard (tls.certFile == nil) == (tls.keyFile == nil) else {
            throw UsageError("--cert-file and --key-file go together")
        }
        proxy = try arguments.value("--proxy").map { text throws(UsageError) in try Self.address(text, "--proxy") }
        if let time = try arguments.duration("--timeout") {
            guard time > .zero, time <= .seconds(600) else { throw UsageError("--timeout is from 1ms to 10m") }
            timeout = time
        }
    }

    /// - Parameter path: from `/api` on.
    func request(
        _ method: HTTPRequest.Method, _ path: String, headers: [(name: String, value: String)]
    ) -> HTTPRequest {
        var headers = headers
        headers.append(("Accept", "application/json"))
        if let organisation { headers.append(("X-Grafana-Org-Id", String(organisation))) }
        return HTTPRequest(
            method, url + path, headers: headers, timeout: timeout, tls: tls, authentication: authentication,
            proxy: proxy)
    }

    // MARK: Reading

    /// An address of a server, without a slash at its end.
    static func address(_ text: String, _ option: String) throws(UsageError) -> String {
        guard text.hasPrefix("http://") || text.hasPrefix("https://") else {
            throw UsageError("\(option) must begin with http:// or https://")
        }
        let rest = text.drop { $0 != ":" }.dropFirst(3)
        guard !rest.prefix(while: { $0 != "/" }).isEmpty else { throw UsageError("\(option) names no host") }
        guard rest.utf8.allSatisfy({ $0 > 32 && $0 < 127 }), !rest.contains("?"), !rest.contains("#") else {
            throw UsageError("\(option) has a blank, a query or a fragment in it")
        }
        guard !rest.contains("@") else { throw UsageError("\(option) must not carry a user or a password") }
        var address = text
        while address.hasSuffix("/") { address.removeLast() }
        return address
    }

    private static func authentication(
        _ arguments: Arguments, _ readSecret: (String) throws -> String
    ) throws(UsageError) -> HTTPRequest.Authentication {
        guard let user = arguments.value("--user") else {
            guard arguments.value("--password-file") == nil else { throw UsageError("--password-file needs --user") }
            return .bearer(try secret(arguments.value("--token-file"), "--token-file", tokenVariable, readSecret))
        }
        guard arguments.value("--token-file") == nil else {
            throw UsageError("--user and --token-file are two ways to log in: give one")
        }
        // RFC 7617 section 2.
        guard !user.contains(":"), user.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
            throw UsageError("--user must not hold a colon or a control character")
        }
        let password = try secret(
            arguments.value("--password-file"), "--password-file", passwordVariable, readSecret)
        return .basic(user: user, password: password)
    }

    /// A secret of a file, or else of the environment; never of the command line, which everybody on the machine can read.
    ///
    /// - Parameter variable: nil: there is only the file.
    static func secret(
        _ file: String?, _ option: String, _ variable: String?,
        _ readSecret: (String) throws -> String = Settings.systemSecret
    ) throws(UsageError) -> Secret {
        let choice = variable.map { " or the variable \($0)" } ?? ""
        guard let place = file.map({ "file:\($0)" }) ?? variable.map({ "env:\($0)" }) else {
            throw UsageError("\(option) is needed")
        }
        let text: String
        do { text = try readSecret(place) } catch {
            guard file != nil else { throw UsageError("who are we in Grafana? give \(option)\(choice)") }
            throw UsageError("\(option): \(file ?? "") cannot be read: \(error)")
        }
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
            throw UsageError("\(option)\(choice) is empty, or has a control character in it")
        }
        return Secret(text)
    }
}
