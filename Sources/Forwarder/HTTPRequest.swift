/// One HTTP request for `HTTPTransport`.
///
/// The body is shared, never copied: it stays alive until the transfer ends.
public struct HTTPRequest: Sendable {
    public enum Method: String, Sendable, Hashable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case delete = "DELETE"
    }

    /// Who we say we are. None of it reaches an error message or a log.
    public enum Authentication: Sendable, Hashable {
        case none
        case basic(user: String, password: Secret)
        case bearer(Secret)
        case aws(AWSSignature)
    }

    public static let defaultMaximumResponseBytes = 1 << 20
    public static let defaultUserAgent = "Holdfast/0.1.0"

    public var method: Method
    /// `http` or `https`. User and password in it are used and never shown.
    public var url: String
    /// In the order they are sent. A name or value with a control character fails the request before it is sent.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// From the first look-up to the last byte of the answer.
    public var timeout: Duration
    /// For look-up, TCP and TLS together; part of `timeout`.
    public var connectTimeout: Duration
    public var tls: TLSOptions
    public var authentication: Authentication
    /// `http://host:port`; nil: none, and the environment is not asked.
    public var proxy: String?
    /// Path of a Unix socket to speak over; the URL's host is then only a name.
    public var unixSocket: String?
    /// A longer answer is cut there and marked (`HTTPResponse.isCut`); that is no failure.
    public var maximumResponseBytes: Int
    public var userAgent: String

    public init(
        _ method: Method, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        timeout: Duration = .seconds(30), connectTimeout: Duration = .seconds(10), tls: TLSOptions = TLSOptions(),
        authentication: Authentication = .none, proxy: String? = nil, unixSocket: String? = nil,
        maximumResponseBytes: Int = HTTPRequest.defaultMaximumResponseBytes,
        userAgent: String = HTTPRequest.defaultUserAgent
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.connectTimeout = connectTimeout
        self.tls = tls
        self.authentication = authentication
        self.proxy = proxy
        self.unixSocket = unixSocket
        self.maximumResponseBytes = maximumResponseBytes
        self.userAgent = userAgent
    }
}

/// How far a server is trusted, and how we prove who we are. Only `https` URLs look at it.
public struct TLSOptions: Sendable, Hashable {
    public enum Version: String, Sendable, Hashable, CaseIterable {
        case v1_2 = "TLS12"
        case v1_3 = "TLS13"
    }

    /// PEM file of the authorities to trust; nil: the system's.
    public var caFile: String?
    /// PEM file of our certificate.
    public var certFile: String?
    /// PEM file of its key.
    public var keyFile: String?
    /// The name the server's certificate must carry, when it is not the URL's host.
    public var serverName: String?
    /// Anyone may be at the other end: for tests and closed benches.
    public var insecureSkipVerify: Bool
    public var minimumVersion: Version

    public init(
        caFile: String? = nil, certFile: String? = nil, keyFile: String? = nil, serverName: String? = nil,
        insecureSkipVerify: Bool = false, minimumVersion: Version = .v1_2
    ) {
        self.caFile = caFile
        self.certFile = certFile
        self.keyFile = keyFile
        self.serverName = serverName
        self.insecureSkipVerify = insecureSkipVerify
        self.minimumVersion = minimumVersion
    }
}

extension HTTPRequest {
    /// RFC 9110 sections 5.1 and 5.5: names are tokens, values have no control characters but a tab, so that nothing
    /// from a config or a tenant id can start a header of its own.
    static func isHeader(name: String, value: String) -> Bool {
        let isToken = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
        }
        return isToken && !name.isEmpty && value.utf8.allSatisfy { $0 == 9 || ($0 >= 32 && $0 != 127) }
    }

    /// Texts that must not stand in an error.
    var secrets: [String] {
        var texts: [String] = []
        switch authentication {
        case .none: break
        case .basic(_, let password): texts.append(password.reveal)
        case .bearer(let token): texts.append(token.reveal)
        case .aws(let signature):
            texts += [signature.secretKey.reveal, signature.sessionToken?.reveal ?? ""]
        }
        for address in [url, proxy ?? ""] {
            guard let at = address.lastIndex(of: "@"), let scheme = address.firstRange(of: "://") else { continue }
            guard scheme.upperBound < at else { continue }
            let login = address[scheme.upperBound..<at]
            texts.append(contentsOf: login.split(separator: ":", maxSplits: 1).map(String.init))
        }
        return texts.filter { !$0.isEmpty }
    }
}
