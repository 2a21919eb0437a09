/// Finds the route of a request. Built once; looked up by exact path first, then by the longest prefix.
struct Router: Sendable {
    enum Match {
        case route(Route)
        case unknownPath
        /// The path is known, the method is not: what `Allow` must say.
        case otherMethods([String])
    }
    private var exact: [String: [Route]] = [:]
    private var prefixes: [Route] = []

    init(_ routes: [Route]) {
        for route in routes {
            if route.isPrefix { prefixes.append(route) } else { exact[route.path, default: []].append(route) }
        }
        prefixes.sort { $0.path.utf8.count > $1.path.utf8.count }
    }

    func match(method: String, path: String) -> Match {
        var candidates = exact[path] ?? []
        if candidates.isEmpty, let longest = prefixes.first(where: { path.hasPrefix($0.path) }) {
            candidates = prefixes.filter { $0.path == longest.path }
        }
        if candidates.isEmpty { return .unknownPath }
        let wanted = method == "HEAD" ? ["HEAD", "GET"] : [method]
        for method in wanted {
            if let route = candidates.first(where: { $0.methods.contains(method) }) { return .route(route) }
        }
        var allowed = Set(candidates.flatMap(\.methods))
        if allowed.contains("GET") { allowed.insert("HEAD") }
        return .otherMethods(allowed.sorted())
    }
}
