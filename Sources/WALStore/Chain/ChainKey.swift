/// The secret of a node's chains, kept outside its data folder.
///
/// Two secrets of 32 bytes. One evolves: from that of an epoch the next one's can be made, and never the one before, so that
/// who steals a node's key cannot make tags of former epochs. The other one lasts, and guards what changes with every
/// commit: the sums, and the state that has them.
public struct ChainKey: Sendable, Hashable {
    /// Counted from 0, the epoch of the key that `random` makes.
    public let epoch: UInt32
    let evolving: [UInt8]
    let lasting: [UInt8]

    private static let secretBytes = 32
    private static let title = "holdfast-chain-key"
    /// Of a key's file; more is another file.
    public static let maximumBytes = 512

    private init(epoch: UInt32, evolving: [UInt8], lasting: [UInt8]) {
        self.epoch = epoch
        self.evolving = evolving
        self.lasting = lasting
    }

    public static func random() -> ChainKey {
        func secret() -> [UInt8] { (0..<secretBytes).map { _ in .random(in: .min ... .max) } }
        return ChainKey(epoch: 0, evolving: secret(), lasting: secret())
    }

    /// The key of the next epoch.
    public func next() -> ChainKey {
        let evolved = ChainMAC(key: evolving).digest(Array("holdfast chain next".utf8)).array
        return ChainKey(epoch: epoch + 1, evolving: evolved, lasting: lasting)
    }

    /// The key of a later epoch; nil for an earlier one, and for one that nobody has come to.
    func key(of wanted: UInt32) -> ChainKey? {
        guard wanted >= epoch, wanted - epoch <= ChainKey.maximumSteps else { return nil }
        return (epoch..<wanted).reduce(self) { key, _ in key.next() }
    }

    /// A century of weeks, twice over: a row may name any epoch.
    private static let maximumSteps: UInt32 = 10_000
}

extension ChainKey {
    /// One line: a title with its version, the epoch, and both secrets in hexadecimal digits.
    public var fileText: String {
        "\(ChainKey.title) 1 \(epoch) \(SalvageNote.hexadecimal(evolving)) \(SalvageNote.hexadecimal(lasting))\n"
    }

    /// - Throws: `.misuse`, without a word of what is in it, for a text that `fileText` has not made.
    public init(fileText: String) throws(SpoolError) {
        let words = fileText.split(whereSeparator: \.isWhitespace)
        guard words.count == 5, words[0] == ChainKey.title, words[1] == "1", let epoch = UInt32(words[2]),
            let evolving = ChainKey.secret(words[3]), let lasting = ChainKey.secret(words[4])
        else { throw SpoolError(.misuse, "it is no key of a chain: `holdfast audit key` makes one") }
        self.init(epoch: epoch, evolving: evolving, lasting: lasting)
    }

    private static func secret(_ text: Substring) -> [UInt8]? {
        let digits = text.compactMap(\.hexDigitValue)
        guard digits.count == secretBytes * 2, text.utf8.count == digits.count else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { at -> UInt8 in UInt8(digits[at] << 4 | digits[at + 1]) }
    }
}

/// Whatever prints a configuration prints no secret.
extension ChainKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "the key of epoch \(epoch)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["epoch": epoch]) }
}
