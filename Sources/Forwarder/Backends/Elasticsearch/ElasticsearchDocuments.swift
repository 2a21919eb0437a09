import Metrics
import WALStore

/// Points as documents of a `_bulk` body: an action line and a source line each.
///
/// One document a point, with the metric's name in `name`: a field for each metric would run into the limit of fields an
/// index has (1000), and grouping metrics into one document would change its identity whenever a request is cut
/// elsewhere. `value` always has a decimal point: a first `1` would make the field a `long`, and 1.5 would be stored as 1.
/// What is no number has a field of its own (`value_bool`, `value_string`, `histogram`, `exponential_histogram`,
/// `summary`), so that no two documents disagree about a field's type.
///
/// A time series data stream makes a document's id of its dimensions and its time. The one dimension is `series`: what the id is
/// made of elsewhere but for the time, so that two points have one id there only if they have one here.
struct ElasticsearchDocuments: Sendable {
    private(set) var body: [UInt8] = []
    private var tenant = ""
    /// Where a document's id comes from.
    enum IDs: Sendable {
        /// Whether a document that is sent again is a second one.
        var areNone: Bool { if case .none = self { true } else { false } }

        /// Made of what makes the point: a copy is told from it.
        case own
        /// Elasticsearch gives each document one: a copy is one more.
        case none
        /// The time series data stream makes it, of the dimension `series` and the time.
        case made
    }
    private var ids = IDs.own
    /// What the documents of one series share.
    private struct Shared: Sendable {
        var digest: [UInt8]
        var members: Range<Int>
    }
    private var shared: [UInt32: Shared] = [:]
    /// Members of documents, by series.
    private var members: [UInt8] = []
    private var identity: [UInt8] = []

    mutating func begin(tenant: String, _ ids: IDs = .own) {
        (self.tenant, self.ids) = (tenant, ids)
        body.removeAll(keepingCapacity: true)
    }

    mutating func append(_ batch: Batch, _ run: LeasedRun, into request: inout EncodedRequest) {
        // Ids of series are the batch's own.
        shared.removeAll(keepingCapacity: true)
        members.removeAll(keepingCapacity: true)
        for ordinal in run.ordinals {
            let start = body.count
            if let reason = appendDocument(batch, ordinal) {
                body.removeSubrange(start...)
                request.exclude(piece: run.piece, ordinal: ordinal, reason: reason)
            } else {
                request.items.append([LeasedRun(piece: run.piece, ordinals: ordinal..<ordinal + 1)])
                request.points += 1
            }
        }
    }

    /// - Returns: why the point has no document, or nil.
    private mutating func appendDocument(_ batch: Batch, _ ordinal: Int) -> String? {
        if batch.points.flags(at: ordinal).contains(.noRecordedValue) { return "no recorded value" }
        let shared = share(batch, batch.points.series[ordinal])
        let kind = batch.points.kind(at: ordinal)
        switch ids {
        case .own:
            text("{\"create\":{\"_id\":\"")
            appendID(shared.digest, time: batch.points.times[ordinal], kind: kind)
            text("\"}}\n{\"@timestamp\":\"")
        case .none:
            text("{\"create\":{}}\n{\"@timestamp\":\"")
        case .made:
            text("{\"create\":{}}\n{\"series\":\"")
            appendID(shared.digest, time: nil, kind: kind)
            text("\",\"@timestamp\":\"")
        }
        RFC3339.append(batch.points.times[ordinal], to: &body)
        body.append(UInt8(ascii: "\""))
        body.append(contentsOf: members[shared.members])
        let startTime = batch.points.startTime(at: ordinal)
        if startTime != 0 {
            text(",\"start_timestamp\":\"")
            RFC3339.append(startTime, to: &body)
            body.append(UInt8(ascii: "\""))
        }
        if let fault = ElasticsearchValue.append(ordinal, of: batch, to: &body) { return fault }
        text("}\n")
        return nil
    }

    private mutating func text(_ literal: String) { body.append(contentsOf: literal.utf8) }

    // MARK: Series

    private mutating func share(_ batch: Batch, _ id: UInt32) -> Shared {
        if let known = shared[id] { return known }
        let start = members.count
        appendMembers(batch, id)
        let made = Shared(digest: digest(batch, id), members: start..<members.count)
        shared[id] = made
        return made
    }

    private mutating func appendMembers(_ batch: Batch, _ id: UInt32) {
        var name: [UInt8] = []
        var labels = FlatObject()
        batch.series.withLabels(of: id) { bytes in
            for label in LabelIterator(bytes) {
                if label.name.elementsEqual(Batch.nameLabel) {
                    JSONOutput.append(string: label.value, to: &name)
                } else {
                    labels.add(label.nameString, label.valueString)
                }
            }
        }
        let identity = batch.series.identity(of: id)
        if !name.isEmpty { members += Array(",\"name\":".utf8) + name }
        member("field", batch.field(of: id))
        member("unit", batch.unit(of: id))
        if identity.kind != .unknown { member("kind", "\(identity.kind)") }
        if identity.temporality != .unspecified { member("temporality", "\(identity.temporality)") }
        object("labels", labels)
        if let resource = batch.resource(of: id) { attributes("resource", resource.attributes) }
        if let scope = batch.scope(of: id) {
            member("scope_name", scope.name)
            member("scope_version", scope.version)
            attributes("scope", scope.attributes)
        }
    }

    private mutating func member(_ key: String, _ value: String) {
        if value.isEmpty { return }
        members += Array(",\"\(key)\":".utf8)
        JSONOutput.append(string: value, to: &members)
    }

    /// As text, so that a key has one type in every document.
    private mutating func attributes(_ key: String, _ attributes: [Attribute]) {
        if attributes.isEmpty { return }
        var object = FlatObject()
        for attribute in attributes { object.add(attribute.key, attribute.value.text) }
        self.object(key, object)
    }

    private mutating func object(_ key: String, _ object: FlatObject) {
        members += Array(",\"\(key)\":{".utf8) + object.members + [UInt8(ascii: "}")]
    }

    // MARK: Ids

    /// SHA-256 over tenant and series: everything that makes a series what it is, each part behind its length.
    private mutating func digest(_ batch: Batch, _ id: UInt32) -> [UInt8] {
        identity.removeAll(keepingCapacity: true)
        part(tenant.utf8)
        batch.series.withLabels(of: id) { labels in
            Varint.append(UInt64(labels.count), to: &identity)
            identity.append(contentsOf: labels)
        }
        let series = batch.series.identity(of: id)
        part(batch.field(of: id).utf8)
        identity += [series.kind.rawValue, series.temporality.rawValue, series.isMonotonic ? 1 : 0]
        part(attributes: batch.resource(of: id)?.attributes ?? [])
        part((batch.scope(of: id)?.name ?? "").utf8)
        part((batch.scope(of: id)?.version ?? "").utf8)
        part(attributes: batch.scope(of: id)?.attributes ?? [])
        return SHA256Digest.of(identity)
    }

    private mutating func part(_ text: String.UTF8View) {
        Varint.append(UInt64(text.count), to: &identity)
        identity.append(contentsOf: text)
    }

    private mutating func part(attributes: [Attribute]) {
        Varint.append(UInt64(attributes.count), to: &identity)
        for attribute in attributes {
            part(attribute.key.utf8)
            part(attribute.value.text.utf8)
        }
    }

    /// The same point has the same id in every request, whatever its value and its neighbours: 160 bits of SHA-256 in
    /// URL-safe base64.
    ///
    /// - Parameter time: nil: the id of what the point is one of.
    private mutating func appendID(_ series: [UInt8], time: Int64?, kind: PointKind) {
        identity.removeAll(keepingCapacity: true)
        identity.append(contentsOf: series)
        if let time {
            for shift in stride(from: 56, through: 0, by: -8) {
                identity.append(UInt8(truncatingIfNeeded: time >> Int64(shift)))
            }
        }
        // A histogram and a sample of one time are two points.
        identity.append(kind.isScalar ? 0 : kind.rawValue)
        let digest = SHA256Digest.of(identity)
        ElasticsearchDocuments.appendBase64URL(digest[..<20], to: &body)
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// RFC 4648 section 5, without padding.
    private static func appendBase64URL(_ data: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        var held: UInt32 = 0
        var bits: UInt32 = 0
        for byte in data {
            held = held << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                bytes.append(alphabet[Int(held >> bits & 63)])
            }
        }
        if bits > 0 { bytes.append(alphabet[Int(held << (6 - bits) & 63)]) }
    }
}

/// Members of a JSON object that are all texts, under keys that Elasticsearch takes as one name each: a dot would be a
/// path (and `a` beside `a.b` a conflict of types), so it becomes `_`; a key that is there already gets a `_` behind it.
/// <https://www.elastic.co/guide/en/elasticsearch/reference/current/subobjects.html>
private struct FlatObject {
    private(set) var members: [UInt8] = []
    private var keys: Set<String> = []

    mutating func add(_ key: String, _ value: String) {
        var key = String(key.map { $0 == "." ? "_" : $0 })
        if key.allSatisfy(\.isWhitespace) { key = "_" }
        while !keys.insert(key).inserted { key += "_" }
        if !members.isEmpty { members.append(UInt8(ascii: ",")) }
        JSONOutput.append(string: key, to: &members)
        members.append(UInt8(ascii: ":"))
        JSONOutput.append(string: value, to: &members)
    }
}
