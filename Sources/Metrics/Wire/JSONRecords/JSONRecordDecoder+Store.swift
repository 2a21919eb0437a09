extension JSONRecordDecoder {
    /// Appends what `readRecord` read, or sets it aside.
    ///
    /// - Throws: `.tooLarge` when the batch has all the series it may.
    mutating func storeRecord(
        _ reader: inout JSONReader, _ limits: WireLimits, line: Int?, into request: inout DecodedRequest
    ) throws(WireError) {
        if let metadata = record.metadata {
            request.batch.metadata.append(metadata)
            return
        }
        let points = if case .none = record.value { 0 } else { 1 }
        if let fault = record.fault {
            request.refusals.add(Refusal(fault.reason, points: points, line: line, detail: fault.detail))
            return
        }
        do throws(LabelFault) {
            try labels.finish(limits.labels)
            try checkEmptyLabels()
        } catch {
            request.refusals.add(Refusal(.invalidLabels, points: points, line: line, detail: error.rawValue))
            return
        }
        guard let id = findSeries(reader, limits, &request.batch) else {
            throw WireError(.tooLarge, "more than \(limits.series) series", line: line)
        }
        let ordinal = request.batch.points.count
        storeValue(series: id, into: &request.batch)
        for exemplar in record.exemplars {
            request.batch.exemplars.append(
                Exemplar(
                    series: id, ordinal: points == 0 ? nil : UInt32(ordinal), labels: exemplar.labels,
                    valueBits: exemplar.valueBits, time: exemplar.time))
        }
        if let fault = record.exemplarFault {
            request.refusals.add(Refusal(.invalidExemplar, points: 0, line: line, detail: fault))
        }
    }

    private func findSeries(_ reader: JSONReader, _ limits: WireLimits, _ batch: inout Batch) -> UInt32? {
        var identity = SeriesIdentity.plain
        if let field = record.field { identity.field = batch.intern(text: reader.string(of: field)) }
        if let unit = record.unit { identity.unit = batch.intern(text: reader.string(of: unit)) }
        if let resource = record.resource { identity.resource = batch.intern(resource: resource) }
        if let scope = record.scope { identity.scope = batch.intern(scope: scope) }
        identity.kind = record.kind
        identity.temporality = record.temporality
        identity.isMonotonic = record.isMonotonic
        return labels.canonical.withUnsafeBytes { labels in
            let hash = SeriesTable.hash(labels)
            if let known = batch.series.find(labels, hash: hash, identity: identity) { return known }
            if batch.series.count >= limits.series { return nil }
            return batch.series.insert(labels, hash: hash, identity: identity)
        }
    }

    private func storeValue(series id: UInt32, into batch: inout Batch) {
        var flags = record.flags
        if batch.points.count == 0 { flags.remove(.sharesRow) }
        let (time, start) = (record.time, record.startTime)
        switch record.value {
        case .none: break
        case .scalar(let kind, let bits):
            batch.points.append(series: id, time: time, kind: kind, bits: bits, startTime: start, flags: flags)
        case .string(let text): batch.append(series: id, time: time, string: text, startTime: start, flags: flags)
        case .explicit(let value): batch.append(series: id, time: time, explicit: value, startTime: start, flags: flags)
        case .exponential(let value):
            batch.append(series: id, time: time, exponential: value, startTime: start, flags: flags)
        case .summary(let value): batch.append(series: id, time: time, summary: value, startTime: start, flags: flags)
        }
    }

    /// An empty value means the label is absent, but its name still counts as given.
    private func checkEmptyLabels() throws(LabelFault) {
        if record.emptyLabels.isEmpty { return }
        var names = Set<[UInt8]>()
        for name in record.emptyLabels where !names.insert(name).inserted { throw .duplicateName }
        let isDuplicate = labels.canonical.withUnsafeBytes { labels in
            LabelIterator(labels).contains { names.contains(Array($0.name)) }
        }
        if isDuplicate { throw .duplicateName }
    }
}
