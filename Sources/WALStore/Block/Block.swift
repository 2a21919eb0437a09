import Metrics

/// Where a run of a block's points came from: `count` points, the first of them at (`sequence`, `firstOrdinal`).
/// A fresh block has one run; a repacked one has a run for each commit it merged.
public struct OriginRun: Sendable, Hashable {
    public var sequence: Int64
    public var firstOrdinal: Int64
    public var count: Int
    public init(sequence: Int64, firstOrdinal: Int64, count: Int) {
        self.sequence = sequence
        self.firstOrdinal = firstOrdinal
        self.count = count
    }
}

/// What a block decodes to.
public struct DecodedBlock: Sendable, Equatable {
    public var batch: Batch
    public var origins: [OriginRun]
    public init(batch: Batch, origins: [OriginRun]) {
        self.batch = batch
        self.origins = origins
    }
}

/// The payload of a batch row. It decodes without any other row, but for the bases that it names (`BlockBase`).
///
/// ```
/// magic "HFB1" | version u8 | flags u8 | key id u32 | sections: varint
/// a line a section: id u8 | encoding u8 | decoded length varint | stored length varint
/// the sections' stored bytes, in that order
/// XXH3-64 of all bytes before it, u64
/// ```
/// Numbers of fixed width are little-endian. `docs/formats.md` describes every section.
///
/// The limits hold at both ends: an encoder that is handed more is a bug, a decoder that meets more answers
/// `unreadable` before it takes memory.
public enum Block {
    public static let maximumPoints = 1_048_576
    public static let maximumStoredBytes = 4 << 20
    public static let maximumDecodedBytes = 64 << 20

    static let magic: [UInt8] = Array("HFB1".utf8)
    static let version: UInt8 = 1
    /// Of a block that stands on bases.
    static let standingVersion: UInt8 = 2
    static let checksumBytes = 8

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// Times are whole milliseconds and stored as such.
        static let millisecondTimes = Flags(rawValue: 1 << 0)
        /// Start times are whole milliseconds and stored as such.
        static let millisecondStarts = Flags(rawValue: 1 << 1)
        /// Remote write 1.0 takes every name as it is: somebody has looked.
        static let prometheusNames = Flags(rawValue: 1 << 2)
        static let all: Flags = [.millisecondTimes, .millisecondStarts, .prometheusNames]
    }

    /// Append, never renumber. A decoder refuses ids it does not know: a later version says so in `version`.
    enum SectionID: UInt8, CaseIterable {
        case origins = 1
        case labelLengths = 2
        case labelText = 3
        case identities = 4
        case texts = 5
        case resources = 6
        case scopes = 7
        case pointSeries = 8
        case times = 9
        case valueClasses = 10
        case valueBytes = 11
        case kinds = 12
        case startTimes = 13
        case flags = 14
        case strings = 15
        case explicitHistograms = 16
        case exponentialHistograms = 17
        case summaries = 18
        case exemplars = 19
        case metadata = 20
        case bases = 21
        case baseSeries = 22
        case valueTops = 23
    }

    enum Encoding: UInt8 {
        case plain = 0
        /// One zstd frame.
        case zstd = 1
        /// One byte, repeated: what an all-regular column becomes.
        case repeated = 2
    }
}
