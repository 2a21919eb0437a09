import Metrics

/// Why a `_bulk` request, or one of its items, is refused.
struct BulkFault: Error {
    var type: String
    var reason: String
}

struct BulkItemAnswer {
    var action: String
    var status: Int
    var error: BulkFault?
    var failureStore: String?
}

/// One action line with its source line.
struct BulkOperation {
    var action: String
    var target: String
    var id: String?
    var source: Result<JSONValue, BulkFault>

    /// A malformed action refuses the whole request; a malformed source refuses its item.
    static func parse(_ body: [UInt8], target: String?) throws(BulkFault) -> [BulkOperation] {
        guard !body.isEmpty else { throw BulkFault(type: "parse_exception", reason: "request body is required") }
        guard body.last == UInt8(ascii: "\n") else {
            throw BulkFault(
                type: "illegal_argument_exception", reason: "The bulk request must be terminated by a newline [\\n]")
        }
        let lines = body.dropLast().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var operations: [BulkOperation] = []
        var at = 0
        while at < lines.count {
            var operation = try action(Array(lines[at]), line: at + 1, target)
            guard at + 1 < lines.count else {
                throw BulkFault(
                    type: "illegal_argument_exception", reason: "Malformed action/metadata line [\(at + 1)], no source")
            }
            do throws(WireError) {
                operation.source = .success(try JSONValue.parse(Array(lines[at + 1])))
            } catch {
                operation.source = .failure(
                    BulkFault(type: "document_parsing_exception", reason: "failed to parse: \(error)"))
            }
            operations.append(operation)
            at += 2
        }
        return operations
    }

    private static func action(_ line: [UInt8], line number: Int, _ target: String?) throws(BulkFault) -> BulkOperation
    {
        let malformed = BulkFault(
            type: "illegal_argument_exception",
            reason: "Malformed action/metadata line [\(number)], expected START_OBJECT or END_OBJECT")
        guard let members = (try? JSONValue.parse(line))?.object, members.count == 1, let action = members.first,
            let details = action.value.object
        else { throw malformed }
        guard action.key == "create" || action.key == "index" else { throw malformed }
        for detail in details where !["_index", "_id", "routing", "pipeline"].contains(detail.key) {
            throw BulkFault(
                type: "illegal_argument_exception",
                reason: "Action/metadata line [\(number)] contains an unknown parameter [\(detail.key)]")
        }
        guard let target = action.value["_index"]?.string ?? target else {
            throw BulkFault(type: "action_request_validation_exception", reason: "index is missing")
        }
        return BulkOperation(
            action: action.key, target: target, id: action.value["_id"]?.string, source: .success(.null))
    }

    // MARK: Running

    func run(_ state: inout BulkServer.State) -> BulkItemAnswer {
        do throws(BulkFault) {
            return try index(&state)
        } catch {
            let statuses = [
                "es_rejected_execution_exception": 429, "version_conflict_engine_exception": 409,
                "index_not_found_exception": 404, "cluster_block_exception": 403,
            ]
            return BulkItemAnswer(action: action, status: statuses[error.type] ?? 400, error: error)
        }
    }

    private func index(_ state: inout BulkServer.State) throws(BulkFault) -> BulkItemAnswer {
        BulkTemplates.make(target, &state)
        let isStream = state.behaviour.dataStreams.contains(target)
        try admit(&state, isStream)
        if state.targets[target] == nil { state.targets[target] = BulkIndex() }
        guard var index = state.targets[target] else { preconditionFailure("it was just made") }
        // Nothing else holds the index while it changes.
        state.targets[target] = nil
        defer { state.targets[target] = index }
        let mode = state.timeSeries[target]
        var id = id ?? "auto-\(index.backing.reduce(0) { $0 + $1.documents.count })"
        if let mode { id = try mode.id(of: try source.get(), given: self.id, now: state.behaviour.now) }
        // A time belongs to one backing index of a time series data stream, whatever was rolled over since.
        let isThere =
            mode == nil
            ? index.backing[index.backing.count - 1].documents[id] != nil
            : index.backing.contains { $0.documents[id] != nil }
        if action == "create", isThere {
            state.conflicts += 1
            throw BulkFault(
                type: "version_conflict_engine_exception",
                reason: "[\(id)]: version conflict, document already exists (current version [1])")
        }
        do throws(BulkFault) {
            let source = try source.get()
            if isStream, source["@timestamp"] == nil {
                throw BulkFault(
                    type: "document_parsing_exception", reason: "data stream timestamp field [@timestamp] is missing")
            }
            try index.map(source, limit: state.behaviour.maximumFields)
            let name = isStream ? ".ds-\(target)-\(index.backing.count)" : target
            let wasThere = index.backing[index.backing.count - 1].documents.updateValue(
                BulkServer.Document(id: id, index: name, source: source), forKey: id)
            return BulkItemAnswer(action: action, status: wasThere == nil ? 201 : 200)
        } catch {
            guard isStream, state.behaviour.usesFailureStore else { throw error }
            state.failureStore.append(BulkServer.Document(id: id, index: ".fs-\(target)-1", source: .null))
            return BulkItemAnswer(action: action, status: 201, failureStore: "used")
        }
    }

    /// What is looked at before the document.
    private func admit(_ state: inout BulkServer.State, _ isStream: Bool) throws(BulkFault) {
        guard target == target.lowercased(), !target.utf8.contains(where: { "\\/*?\"<>| ,#:".utf8.contains($0) }),
            !target.isEmpty, !"-_+".contains(target[target.startIndex]), target.utf8.count <= 255
        else {
            throw BulkFault(type: "invalid_index_name_exception", reason: "Invalid index name [\(target)]")
        }
        if isStream, action != "create" {
            throw BulkFault(
                type: "illegal_argument_exception",
                reason: "only write ops with an op_type of create are allowed in data streams")
        }
        if !isStream, state.targets[target] == nil, !state.behaviour.createsIndices {
            throw BulkFault(type: "index_not_found_exception", reason: "no such index [\(target)]")
        }
        if state.behaviour.blocked.contains(target) {
            throw BulkFault(
                type: "cluster_block_exception",
                reason: "index [\(target)] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]"
            )
        }
        if id != nil, state.behaviour.refusesIDs {
            throw BulkFault(
                type: "illegal_argument_exception",
                reason: "Document ID is not supported in create/index operation request")
        }
        if let id, id.utf8.count > 512 {
            throw BulkFault(type: "illegal_argument_exception", reason: "id is too long, must be no longer than 512")
        }
        if let id, state.behaviour.overloadsEvery > 0,
            id.utf8.reduce(0, { ($0 &* 31 &+ Int($1)) & 0xffff }) % state.behaviour.overloadsEvery == 0,
            state.overloaded.insert(id).inserted
        {
            throw BulkFault(type: "es_rejected_execution_exception", reason: "rejected execution of primary operation")
        }
    }
}

/// An index, or a data stream with its backing indices: documents by id, and the mapping they made.
struct BulkIndex {
    struct Backing {
        var documents: [String: BulkServer.Document] = [:]
    }
    enum FieldType: String {
        case boolean, long, double, text, object
    }
    var backing = [Backing()]
    private(set) var fields: [String: FieldType] = [:]

    /// Dynamic mapping: a field's type is that of its first value.
    /// <https://www.elastic.co/guide/en/elasticsearch/reference/current/dynamic-field-mapping.html>
    mutating func map(_ source: JSONValue, limit: Int) throws(BulkFault) {
        guard case .object = source else {
            throw BulkFault(type: "document_parsing_exception", reason: "a document is an object")
        }
        var mapped = fields
        try BulkIndex.add(source, at: "", to: &mapped)
        guard mapped.count <= limit else {
            throw BulkFault(
                type: "illegal_argument_exception", reason: "Limit of total fields [\(limit)] has been exceeded")
        }
        fields = mapped
    }

    private static func add(
        _ value: JSONValue, at path: String, to fields: inout [String: FieldType]
    ) throws(BulkFault) {
        let type: FieldType
        switch value {
        case .null: return
        case .array(let elements):
            for element in elements { try add(element, at: path, to: &fields) }
            return
        case .object(let members):
            for member in members {
                // A dot in a name is a path, and an empty part of one has no field.
                let name = path.isEmpty ? member.key : "\(path).\(member.key)"
                guard !name.split(separator: ".", omittingEmptySubsequences: false).contains("") else {
                    throw BulkFault(
                        type: "document_parsing_exception",
                        reason: "field name cannot contain only whitespace or be empty")
                }
                try add(member.value, at: name, to: &fields)
            }
            if path.isEmpty { return }
            type = .object
        case .bool: type = .boolean
        case .int, .uint: type = .long
        case .double: type = .double
        case .string: type = .text
        }
        guard let known = fields[path] else {
            fields[path] = type
            return
        }
        // A whole number fits a double, and everything but an object fits a text. A fraction in a `long` would be cut
        // without a word: here it is refused, because a sender must never do that.
        let fits = known == type || (known == .double && type == .long) || (known == .text && type != .object)
        guard fits else {
            throw BulkFault(
                type: "document_parsing_exception",
                reason: "failed to parse field [\(path)] of type [\(known.rawValue)], got \(type.rawValue)")
        }
    }
}
