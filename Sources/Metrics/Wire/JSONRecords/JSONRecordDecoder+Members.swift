extension JSONRecordDecoder {
    // MARK: Reading

    /// Reads one record into `record` and `labels`.
    mutating func readRecord(
        _ reader: inout JSONReader, _ arrivalTime: Int64, _ limits: WireLimits
    ) throws(WireError) {
        record.reset(arrivalTime: arrivalTime)
        labels.reset()
        reader.forgetText()
        reader.skipBlanks()
        let start = reader.at
        try reader.beginObject()
        while let text = try reader.nextKey() {
            guard let key = reader.withText(text, RecordKey.find) else {
                throw reader.unknownKey(text, known: RecordKey.words)
            }
            let bit: UInt32 = 1 << UInt32(key.rawValue)
            if record.seen & bit != 0 { throw reader.failure("key \"\(key.word)\" twice in a record") }
            record.seen |= bit
            try readMember(key, &reader, limits)
        }
        if let problem = missing() {
            throw WireError(.malformed, problem, offset: start)
        }
    }

    private static func bits(_ keys: RecordKey...) -> UInt32 { keys.reduce(0) { $0 | 1 << UInt32($1.rawValue) } }
    private static let values = bits(
        .value, .int, .uint, .bool, .string, .stringBase64, .histogram, .exponentialHistogram, .summary)
    private static let times = bits(.timestamp, .timestampMilliseconds, .timestampNanoseconds)
    private static let startTimes = bits(.startTimestampMilliseconds, .startTimestampNanoseconds)
    private static let aside = bits(.metadata, .place)

    /// What the members of a record lack together, or nil.
    private func missing() -> String? {
        if record.metadata != nil {
            return record.seen & ~JSONRecordDecoder.aside == 0 ? nil : "metadata has a record of its own"
        }
        let values = (record.seen & JSONRecordDecoder.values).nonzeroBitCount
        if values > 1 { return "record with two values" }
        if values == 0, record.exemplars.isEmpty, record.exemplarFault == nil { return "record without a value" }
        if (record.seen & JSONRecordDecoder.times).nonzeroBitCount > 1 { return "record with two timestamps" }
        if (record.seen & JSONRecordDecoder.startTimes).nonzeroBitCount > 1 { return "record with two start times" }
        return nil
    }

    private mutating func readMember(
        _ key: RecordKey, _ reader: inout JSONReader, _ limits: WireLimits
    ) throws(WireError) {
        switch key {
        case .name:
            let name = try reader.text()
            reader.withText(name) { name in
                Batch.nameLabel.withUnsafeBytes { labels.add(name: $0, value: name) }
            }
        case .labels: try readLabels(&reader)
        case .value: record.value = .scalar(.float64, try reader.floatOrSpecial())
        case .int: record.value = .scalar(.int64, UInt64(bitPattern: try reader.int64()))
        case .uint: record.value = .scalar(.uint64, try reader.uint64())
        case .bool: record.value = .scalar(.bool, try reader.bool() ? 1 : 0)
        case .string:
            let text = try reader.text()
            record.value = .string(reader.withText(text) { Array($0) })
        case .stringBase64: record.value = .string(try reader.base64())
        case .histogram: record.value = .explicit(try readExplicit(&reader))
        case .exponentialHistogram: record.value = .exponential(try readExponential(&reader))
        case .summary: record.value = .summary(try readSummary(&reader))
        case .timestampMilliseconds: record.time = nanoseconds(try reader.int64(), per: 1_000_000)
        case .timestampNanoseconds: record.time = try reader.int64()
        case .timestamp: record.time = try reader.rfc3339()
        case .startTimestampMilliseconds: record.startTime = nanoseconds(try reader.int64(), per: 1_000_000)
        case .startTimestampNanoseconds: record.startTime = try reader.int64()
        case .field: record.field = try reader.text()
        case .unit: record.unit = try reader.text()
        case .kind: record.kind = try reader.word(of: MetricKind.allCases, "kind", RecordWords.word(of:))
        case .temporality:
            record.temporality = try reader.word(of: Temporality.allCases, "temporality", RecordWords.word(of:))
        case .monotonic: record.isMonotonic = try reader.bool()
        case .resource: record.resource = try reader.resource()
        case .scope: record.scope = try reader.scope()
        case .sharesRow: if try reader.bool() { record.flags.insert(.sharesRow) }
        case .noRecordedValue: if try reader.bool() { record.flags.insert(.noRecordedValue) }
        case .exemplars: try readExemplars(&reader, limits)
        case .metadata: record.metadata = try reader.metadata()
        case .place: try reader.skipValue()
        }
    }

    private mutating func readLabels(_ reader: inout JSONReader) throws(WireError) {
        try reader.beginObject()
        while let name = try reader.nextKey() {
            if try reader.peek() != .string { throw reader.failure("label values are strings") }
            let value = try reader.text()
            if value.count == 0 {
                record.emptyLabels.append(reader.withText(name) { Array($0) })
            } else {
                reader.withText(name) { name in
                    reader.withText(value) { value in labels.add(name: name, value: value) }
                }
            }
        }
    }

    private mutating func nanoseconds(_ value: Int64, per unit: Int64) -> Int64 {
        let (time, over) = value.multipliedReportingOverflow(by: unit)
        if over { record.fault = (.invalidTime, "time \(value) is outside what nanoseconds in 64 bits can say") }
        return time
    }

    private mutating func readExemplars(_ reader: inout JSONReader, _ limits: WireLimits) throws(WireError) {
        try reader.beginArray()
        while try reader.nextElement() {
            exemplarLabels.reset()
            var keys = KnownKeys(["labels", "value", "timestamp_ms", "timestamp_ns"])
            var exemplar = StagedRecord.StagedExemplar(labels: [], valueBits: 0, time: nil)
            try reader.beginObject()
            while let key = try reader.nextKey() {
                switch try keys.match(key, reader) {
                case 0:
                    try reader.beginObject()
                    while let name = try reader.nextKey() {
                        let value = try reader.text()
                        reader.withText(name) { name in
                            reader.withText(value) { value in exemplarLabels.add(name: name, value: value) }
                        }
                    }
                case 1: exemplar.valueBits = try reader.floatOrSpecial()
                case 2: exemplar.time = nanoseconds(try reader.int64(), per: 1_000_000)
                default: exemplar.time = try reader.int64()
                }
            }
            try keys.require(1, reader)
            do throws(LabelFault) {
                try exemplarLabels.finish(limits.labels, requiresName: false)
                exemplar.labels = exemplarLabels.canonical
                record.exemplars.append(exemplar)
            } catch {
                record.exemplarFault = error.rawValue
            }
        }
    }
}
