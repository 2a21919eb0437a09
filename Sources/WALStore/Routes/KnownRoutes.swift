import Metrics

/// The rules that a spool's deliveries went by, for whoever asks which points they kept back.
final class KnownRoutes {
    private var routes: [String: RouteMemory] = [:]
    /// In one order.
    private var ids: [String] = []

    /// Rules are added, and those that nobody speaks of go: asked once a question.
    ///
    /// A text that is no rules, of a later version or damaged, says nothing of any point.
    func read(_ connection: Connection) throws(SQLiteError) {
        var found: [String: RouteMemory] = [:]
        let known = routes
        defer { (routes, ids) = (found, found.keys.sorted()) }
        // A file that no version since has opened has no such table.
        guard try connection.integer("SELECT count(*) FROM main.sqlite_schema WHERE name = 'routes'") == 1 else {
            return
        }
        try Statement("SELECT id, rules FROM main.routes", on: connection).rows { row in
            let id = row.text(0)
            // The id is of the text: rules that were changed are not those that were gone by.
            guard StoredRoute(text: row.text(1)).id == id else { return true }
            if let memory = known[id] ?? (try? RouteRules(text: row.text(1))).map({ RouteMemory($0) }) {
                found[id] = memory
            }
            return true
        }
    }

    var isEmpty: Bool { ids.isEmpty }
    /// Ids of all, with a blank between two.
    var all: String { ids.joined(separator: " ") }

    /// Ids of the rules that keep a series back, with a blank between two; nil for none.
    func keepingBack(_ batch: Batch, _ id: UInt32) -> String? {
        var found: [String] = []
        for route in ids where routes[route]?.keeps(batch, series: id) == false { found.append(route) }
        return found.isEmpty ? nil : found.joined(separator: " ")
    }
}
