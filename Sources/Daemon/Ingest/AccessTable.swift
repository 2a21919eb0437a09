import Forwarder

/// From credential to tenant. The tenant comes from the credential alone; what else names one may only agree.
///
/// Secrets are found through a hash that is keyed once a process, and compared without an early end: the time a wrong
/// guess takes says nothing about how near it was.
struct AccessTable: Sendable {
    /// Why a request may not write.
    enum Denial: Error, Sendable, Equatable {
        /// 401: there is no credential, or nobody has this one.
        case unknown(String)
        /// 403: it is somebody, but not who the request says.
        case forbidden(String)
    }
    private struct Entry: Sendable {
        var secret: [UInt8]
        var tenant: String
    }
    private var entries: [Int: [Entry]] = [:]
    private let tenants: Set<String>
    private let openTenant: String?

    init(_ settings: IngestSettings) {
        tenants = Set(settings.tenants)
        openTenant = settings.openTenant
        for rule in settings.access {
            for token in rule.tokens { add(AccessTable.key(token: token.reveal), rule.tenant) }
            for user in rule.users { add(AccessTable.key(user: user.name, user.password.reveal), rule.tenant) }
        }
    }

    private mutating func add(_ secret: [UInt8], _ tenant: String) {
        entries[secret.hashValue, default: []].append(Entry(secret: secret, tenant: tenant))
    }

    /// Whose data a request carries.
    ///
    /// - Parameter named: the tenant that a header of the request names.
    /// - Parameter database: the database or bucket it names. While there is one tenant it may be any: there is nobody
    ///   else whose data it could be.
    func tenant(
        of credential: Credential, isLocal: Bool, named: String? = nil, database: String? = nil
    ) throws(Denial) -> String {
        let tenant = try tenant(of: credential, isLocal: isLocal)
        if let named, named != tenant {
            throw .forbidden("these credentials do not belong to the tenant that X-Scope-OrgID names")
        }
        if let database, database != tenant, tenants.count > 1 {
            throw .forbidden("these credentials do not belong to that database or bucket: its name is the tenant's")
        }
        return tenant
    }

    private func tenant(of credential: Credential, isLocal: Bool) throws(Denial) -> String {
        let found: String?
        switch credential {
        case .token(let token): found = find(AccessTable.key(token: token))
        case .user(let name, let password):
            // InfluxDB 3's compatibility login: the token is the password, whoever the user is.
            let byUser = find(AccessTable.key(user: name, password))
            let byToken = find(AccessTable.key(token: password))
            found = byUser ?? byToken
        case .none: found = nil
        case .unreadable: throw .unknown("the Authorization header is none of Bearer, Basic and Token")
        }
        if let found { return found }
        if let openTenant {
            // Whatever it shows: there is nothing to compare it with.
            guard isLocal else { throw .unknown("without credentials only this machine may write") }
            return openTenant
        }
        if case .none = credential { throw .unknown("credentials are needed: a bearer token, or user and password") }
        throw .unknown("nobody has these credentials")
    }

    private func find(_ secret: [UInt8]) -> String? {
        var found: String?
        for entry in entries[secret.hashValue] ?? [] where AccessTable.isEqual(entry.secret, secret) {
            found = entry.tenant
        }
        return found
    }

    /// Looks at every byte, whatever the first difference.
    static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    private static func key(token: String) -> [UInt8] { [0] + Array(token.utf8) }
    private static func key(user: String, _ password: String) -> [UInt8] {
        [1] + Array(user.utf8) + [0] + Array(password.utf8)
    }
}

extension Reply {
    /// <https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1>
    static func denied(_ denial: AccessTable.Denial) -> Reply {
        switch denial {
        case .unknown(let detail):
            var reply = Reply.problem(401, detail)
            reply.headers.append(("WWW-Authenticate", "Bearer realm=\"holdfast\", Basic realm=\"holdfast\""))
            return reply
        case .forbidden(let detail): return .problem(403, detail)
        }
    }
}
