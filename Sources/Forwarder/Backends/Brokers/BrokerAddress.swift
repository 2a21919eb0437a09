/// Where a broker listens: `scheme://host:port`, without a user, a path or a query.
struct BrokerAddress: Sendable, Hashable {
    var text: String
    /// Without the brackets of an IPv6 address.
    var host: String
    var port: Int
    var isTLS: Bool

    /// Reads the addresses of `key`, of which there must be one.
    ///
    /// - Parameters:
    ///   - plain: the scheme without TLS, and its port.
    ///   - secure: the scheme with TLS, and its port.
    static func list(
        _ settings: Settings, _ key: String, plain: (scheme: String, port: Int), secure: (scheme: String, port: Int)
    ) throws(SettingsError) -> [BrokerAddress] {
        let texts = try settings.strings(key)
        let line = settings.line(of: key)
        guard !texts.isEmpty else {
            // Says what was probably meant.
            _ = try settings.required(key)
            throw SettingsError("\(settings.name(of: key)) is missing", line: line)
        }
        var all: [BrokerAddress] = []
        for text in texts {
            do throws(Mistake) { all.append(try BrokerAddress(text, plain, secure)) } catch {
                throw SettingsError("\(settings.name(of: key)) \(error.words)", line: line)
            }
        }
        guard all.allSatisfy({ $0.isTLS == all[0].isTLS }) else {
            throw SettingsError(
                "\(settings.name(of: key)) must be all \(plain.scheme):// or all \(secure.scheme)://", line: line)
        }
        return all
    }

    private struct Mistake: Error { var words: String }

    private init(
        _ text: String, _ plain: (scheme: String, port: Int), _ secure: (scheme: String, port: Int)
    ) throws(Mistake) {
        self.text = text
        guard let scheme = [plain, secure].first(where: { text.hasPrefix($0.scheme + "://") }) else {
            throw Mistake(words: "must begin with \(plain.scheme):// or \(secure.scheme)://")
        }
        isTLS = scheme.scheme == secure.scheme
        guard text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw Mistake(words: "has a blank or a character in it that no host has")
        }
        let authority = text.dropFirst(scheme.scheme.count + 3)
        guard !authority.contains("@") else { throw Mistake(words: "must not carry a user: use basic_auth") }
        guard !authority.contains(where: { "/?#,".contains($0) }) else {
            throw Mistake(words: "must be a host and a port, without a path")
        }
        // The colons of `[::1]` are the host's.
        let bracket = authority.lastIndex(of: "]") ?? authority.startIndex
        let colon = authority[bracket...].lastIndex(of: ":")
        let host = authority[..<(colon ?? authority.endIndex)]
        self.host = String(host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host)
        guard !self.host.isEmpty else { throw Mistake(words: "names no host") }
        guard let colon else {
            port = scheme.port
            return
        }
        let digits = authority[authority.index(after: colon)...]
        guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(digits), number > 0 else {
            throw Mistake(words: ": \"\(digits)\" is not a port from 1 to 65535")
        }
        port = Int(number)
    }
}
