import Metrics

@testable import Metrics

extension FuzzTarget {
    /// Canonical label bytes from a stranger: what is taken as canonical is what our own builder makes of its pairs, and
    /// what the builder makes of any pairs is canonical.
    static let labels = FuzzTarget("labels", maximumBytes: 1024, seeds: { LabelParts.seeds }) { bytes in
        if CanonicalLabels.isWellFramed(bytes) {
            let pairs = Array(LabelIterator(bytes))
            if CanonicalLabels.areCanonical(bytes, .standard, requiresName: false) {
                let built = try LabelParts.build(pairs.map { ($0.name, $0.value) })
                try require(built?.elementsEqual(bytes) == true, "there is one spelling of a label set")
            }
        } else {
            try require(
                !CanonicalLabels.areCanonical(bytes, .standard, requiresName: false), "canonical labels can be walked")
        }
        // The same bytes as names and values, one after the other.
        let pieces = FuzzInput(bytes).split(0)
        let pairs = stride(from: 0, to: pieces.count - 1, by: 2).map { (pieces[$0], pieces[$0 + 1]) }
        guard let built = try LabelParts.build(pairs) else { return }
        try built.withUnsafeBytes { built in
            try require(
                CanonicalLabels.areCanonical(built, .standard, requiresName: false), "what is built is canonical")
            try require(
                Array(LabelIterator(built)).count == pairs.count { !$0.1.isEmpty }, "and holds what has a value")
        }
    }
}

private enum LabelParts {
    static let seeds: [[UInt8]] = [
        Array("__name__\0up\0job\0node\0zone\0größe\0".utf8),
        build(["__name__": "up", "instance": "a:1", "job": "node"]), build(["a": "b"]),
        build(["long": String(repeating: "x", count: 300), "__name__": "y"]),
    ]

    /// nil when the pairs are no label set.
    static func build(_ pairs: [(UnsafeRawBufferPointer, UnsafeRawBufferPointer)]) throws -> [UInt8]? {
        var builder = LabelBuilder()
        for (name, value) in pairs { builder.add(name: name, value: value) }
        do throws(LabelFault) { try builder.finish(requiresName: false) } catch { return nil }
        return builder.canonical
    }

    private static func build(_ pairs: [String: String]) -> [UInt8] {
        var builder = LabelBuilder()
        for (name, value) in pairs.sorted(by: { $0.key < $1.key }) { builder.add(name, value) }
        do { try builder.finish(requiresName: false) } catch { preconditionFailure("these labels are valid: \(error)") }
        return builder.canonical
    }
}
