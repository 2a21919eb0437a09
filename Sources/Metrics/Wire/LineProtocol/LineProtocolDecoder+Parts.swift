extension LineProtocolDecoder {
    // MARK: Measurement and tags

    /// Parses a row into canonical labels.
    mutating func readLabels(
        _ row: Span, in body: UnsafeRawBufferPointer, _ limits: WireLimits
    ) throws(LineFault) {
        labels.reset()
        var at = row.start
        let measurement = LineProtocolDecoder.component(body, &at, row.end, stopsAtEquals: false)
        if measurement.count == 0 { throw .bad(.invalidLine, "line without a measurement") }
        addMeasurement(measurement, body)
        while at < row.end {
            at += 1
            let key = LineProtocolDecoder.component(body, &at, row.end, stopsAtEquals: true)
            guard at < row.end, body[at] == LineScanner.equals else {
                throw .bad(.invalidLine, "tag without a value")
            }
            at += 1
            let value = LineProtocolDecoder.component(body, &at, row.end, stopsAtEquals: true)
            if key.count == 0 { throw .bad(.invalidLine, "tag without a name") }
            if value.count == 0 { throw .bad(.invalidLine, "tag with an empty value: leave the tag out") }
            if at < row.end, body[at] == LineScanner.equals { throw .bad(.invalidLine, "tag with two values") }
            addTag(key, value, body)
        }
        do {
            try labels.finish(limits.labels)
        } catch {
            throw .bad(.invalidLabels, error.rawValue)
        }
    }

    /// One part of a row, up to its separator; still escaped.
    private static func component(
        _ body: UnsafeRawBufferPointer, _ at: inout Int, _ end: Int, stopsAtEquals: Bool
    ) -> Span {
        let start = at
        while at < end {
            let byte = body[at]
            if byte == LineScanner.comma || (stopsAtEquals && byte == LineScanner.equals) { break }
            if byte == LineScanner.backslash, at + 1 < end, isEscapable(body[at + 1], equals: true) { at += 1 }
            at += 1
        }
        return Span(start, at)
    }

    @inline(__always)
    private static func isEscapable(_ byte: UInt8, equals: Bool) -> Bool {
        byte == LineScanner.comma || byte == LineScanner.space || (equals && byte == LineScanner.equals)
    }

    /// Appends the meaning of an escaped name to `names`: a backslash goes only before what must be escaped.
    private mutating func unescape(_ part: UnsafeRawBufferPointer, equals: Bool) {
        var at = 0
        while at < part.count {
            if part[at] == LineScanner.backslash, at + 1 < part.count,
                LineProtocolDecoder.isEscapable(part[at + 1], equals: equals)
            {
                at += 1
            }
            names.append(part[at])
            at += 1
        }
    }

    private mutating func addMeasurement(_ part: Span, _ body: UnsafeRawBufferPointer) {
        names.removeAll(keepingCapacity: true)
        unescape(part.bytes(in: body), equals: false)
        Batch.nameLabel.withUnsafeBytes { name in
            names.withUnsafeBytes { value in labels.add(name: name, value: value) }
        }
    }

    private mutating func addTag(_ key: Span, _ value: Span, _ body: UnsafeRawBufferPointer) {
        names.removeAll(keepingCapacity: true)
        unescape(key.bytes(in: body), equals: true)
        let middle = names.count
        unescape(value.bytes(in: body), equals: true)
        names.withUnsafeBytes { both in
            labels.add(
                name: UnsafeRawBufferPointer(rebasing: both[..<middle]),
                value: UnsafeRawBufferPointer(rebasing: both[middle...]))
        }
    }

    mutating func fieldName(_ key: UnsafeRawBufferPointer, _ limits: WireLimits) throws(LineFault) -> String {
        names.removeAll(keepingCapacity: true)
        unescape(key, equals: true)
        if names.count > limits.labels.nameBytes { throw .bad(.invalidLabels, "field name too long") }
        guard UTF8Check.isValid(names[...]) else { throw .bad(.invalidLabels, "field name is not UTF-8") }
        return String(decoding: names, as: UTF8.self)
    }

    // MARK: Fields

    /// Reads the fields of a line into `staged`, up to the blank or the end behind them.
    ///
    /// - Parameter lineStart: a line beyond `limits.lineBytes` is given up there, before its fields take memory.
    mutating func readFields(
        _ scanner: inout LineScanner, from lineStart: Int, _ limits: WireLimits
    ) throws(LineFault) {
        let end = min(scanner.body.count, lineStart + limits.lineBytes)
        scanner.skipSpaces()
        while true {
            let key = try scanner.fieldKey()
            guard scanner.at < scanner.body.count else { throw .bad(.invalidLine, "line without a field value") }
            if scanner.body[scanner.at] == LineScanner.quote {
                try readString(&scanner, key, upTo: end, limits)
            } else {
                let value = scanner.bareValue()
                staged.append(try LineProtocolDecoder.field(key, value.bytes(in: scanner.body)))
            }
            guard scanner.at < scanner.body.count, scanner.body[scanner.at] == LineScanner.comma else { break }
            if scanner.at >= end { throw LineProtocolDecoder.tooLong(limits.lineBytes) }
            scanner.at += 1
        }
        guard scanner.at < scanner.body.count, scanner.body[scanner.at] != LineScanner.space,
            !LineScanner.isControl(scanner.body[scanner.at])
        else { return }
        throw .bad(.invalidLine, "something behind a string")
    }

    private static func tooLong(_ limit: Int) -> LineFault {
        .bad(.tooLarge, "line of more than \(limit) bytes")
    }

    /// A string may hold any byte but a bare quote; `\"` and `\\` are the only escapes, other backslashes stay.
    private mutating func readString(
        _ scanner: inout LineScanner, _ key: Span, upTo end: Int, _ limits: WireLimits
    ) throws(LineFault) {
        let body = scanner.body
        let start = text.count
        var at = scanner.at + 1
        while at < end, body[at] != LineScanner.quote {
            if body[at] == LineScanner.backslash, at + 1 < body.count,
                body[at + 1] == LineScanner.quote || body[at + 1] == LineScanner.backslash
            {
                at += 1
            } else if body[at] == LineScanner.newline {
                scanner.line += 1
            }
            text.append(body[at])
            at += 1
        }
        guard at < end else {
            throw end < body.count
                ? LineProtocolDecoder.tooLong(limits.lineBytes) : .bad(.invalidLine, "string without an end")
        }
        guard UTF8Check.isValid(text[start...]) else { throw .bad(.invalidValue, "string is not UTF-8") }
        scanner.at = at + 1
        staged.append(
            StagedField(key: key, kind: .string, bits: UInt64(start), stringBytes: text.count - start))
    }

    @inline(__always)
    private static func field(_ key: Span, _ value: UnsafeRawBufferPointer) throws(LineFault) -> StagedField {
        guard let first = value.first else { throw .bad(.invalidLine, "line without a field value") }
        do throws(NumberFault) {
            // Letters begin booleans only: NaN and infinities have no spelling here.
            if first > UInt8(ascii: "9") { return StagedField(key: key, kind: .bool, bits: try bool(value)) }
            let digits = UnsafeRawBufferPointer(rebasing: value[..<(value.count - 1)])
            switch value[value.count - 1] {
            case UInt8(ascii: "i"):
                return StagedField(key: key, kind: .int64, bits: UInt64(bitPattern: try NumberParser.int64(digits)))
            case UInt8(ascii: "u"):
                return StagedField(key: key, kind: .uint64, bits: try NumberParser.uint64(digits))
            default:
                if first == UInt8(ascii: "+") { throw NumberFault.syntax }
                return StagedField(key: key, kind: .float64, bits: try NumberParser.float64(value))
            }
        } catch {
            throw .bad(.invalidValue, error == .range ? "number beyond its type" : "field value is none of the types")
        }
    }

    private static func bool(_ value: UnsafeRawBufferPointer) throws(NumberFault) -> UInt64 {
        // All lower, all upper, or only the first letter upper.
        let rest = UnsafeRawBufferPointer(rebasing: value[1...])
        let isLower = rest.allSatisfy { $0 >= UInt8(ascii: "a") }
        let isUpper = rest.allSatisfy { $0 < UInt8(ascii: "a") } && value[0] < UInt8(ascii: "a")
        guard isLower || isUpper else { throw .syntax }
        if NumberParser.matches(value, "t") || NumberParser.matches(value, "true") { return 1 }
        if NumberParser.matches(value, "f") || NumberParser.matches(value, "false") { return 0 }
        throw .syntax
    }
}
