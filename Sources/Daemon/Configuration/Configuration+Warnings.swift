import Forwarder
import Glibc
import WALStore

/// What is allowed but probably not meant.
extension Configuration {
    func findWarnings() -> [String] {
        var warnings: [String] = []
        if let problem = chain.problem {
            warnings.append("chain.key_file: \(problem): the node runs without it, and nothing it writes is proven")
        }
        for tenant in tenants {
            if tenant.backends.isEmpty {
                warnings.append("tenant \(tenant.id) names no backend: its points are kept for retain and then dropped")
            }
            if tenant.credentials.isEmpty, tenants.count > 1, !scrapeJobs.contains(where: { $0.tenant == tenant.id }) {
                warnings.append("tenant \(tenant.id) has no credentials and no scrape job: nothing can reach it")
            }
            if tenant.durability != .full {
                warnings.append("tenant \(tenant.id) is relaxed: a power cut may lose points that were acknowledged")
            }
        }
        for backend in backends where !tenants.contains(where: { $0.backends.contains(backend.name) }) {
            warnings.append("backend \(backend.name) is named by no tenant")
        }
        warnings += backends.compactMap { ownAddressWarning($0) }
        warnings += backends.compactMap { $0.programWarning }
        warnings += sessionWarnings()
        if server.admin == nil, case .unix(let path) = adminAddress, path.utf8.count > ListenAddress.maximumPathBytes {
            warnings.append(
                "data_dir: \(path) is too long for a socket (\(path.utf8.count) bytes, \(ListenAddress.maximumPathBytes) at "
                    + "most), and `run` will not start: set server.admin to a shorter one")
        }
        return warnings
    }

    /// What a node sends to itself comes in, and is sent again, each time as many points more as there were.
    private func ownAddressWarning(_ backend: BackendSection) -> String? {
        let own = (backend.values("url") + backend.values("urls")).first { server.listen.isReached(by: $0) }
        return own.map { url in
            "backend \(backend.name) sends to this node itself (\(url) is server.listen): what it sends comes in again and "
                + "is sent again, without end, unless it comes in as a tenant that does not name \(backend.name)"
        }
    }

    /// A broker ends the older one of two connections of one name. [MQTT-3.1.4-3]
    private func sessionWarnings() -> [String] {
        var first: [[String]: String] = [:]
        return backends.filter { $0.registration.type == "mqtt" }.compactMap { backend in
            let session = backend.values("url") + backend.values("client_id")
            guard let other = first[session] else {
                first[session] = backend.name
                return nil
            }
            let name = backend.values("client_id").joined()
            return "backends \(other) and \(backend.name) have one client_id (\(name)) at one broker: "
                + "each ends the other's connection, again and again; give each its own"
        }
    }
}

extension BackendSection {
    /// One value or a list of them, as they stand in the file.
    fileprivate func values(_ key: String) -> [String] {
        switch node.child(key)?.value {
        case .scalar(let text): [text]
        case .list(let items):
            items.compactMap { item in
                if case .scalar(let text) = item.value { text } else { nil }
            }
        case .map, nil: []
        }
    }

    /// The program of `exec` that cannot be started as things are.
    fileprivate var programWarning: String? {
        guard registration.type == "exec", let program = values("command").first,
            let problem = BackendSection.problem(ofProgram: program)
        else { return nil }
        return "backends.\(name).command: \(program): \(problem); what it is owed waits until it can be started"
    }

    private static func problem(ofProgram path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return String(cString: strerror(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { return "is no file" }
        return access(path, X_OK) == 0 ? nil : "is not executable"
    }
}

extension ListenAddress {
    /// Whether a request to this URL comes to this address, as far as the text of both tells.
    func isReached(by url: String) -> Bool {
        guard case .tcp(let host, let port) = self, url.lowercased().hasPrefix("http://") else { return false }
        let authority = url.dropFirst("http://".count).prefix { !"/?#".contains($0) }
        let name: Substring
        let rest: Substring
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            (name, rest) = (authority.dropFirst()[..<end], authority[authority.index(after: end)...])
        } else {
            name = authority.prefix { $0 != ":" }
            rest = authority.dropFirst(name.count)
        }
        guard (rest.isEmpty ? 80 : UInt16(rest.dropFirst())) == port else { return false }
        if name == host { return true }
        return ListenAddress.isLoopback(String(name)) && (host == "0.0.0.0" || host == "::" || isLocal)
    }

    private static func isLoopback(_ host: String) -> Bool {
        let host = host.lowercased()
        return host == "localhost" || host.hasPrefix("127.") || host == "::1" || host == "0.0.0.0"
    }
}
