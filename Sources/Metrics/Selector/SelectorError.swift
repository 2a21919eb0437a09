/// What is wrong with a selector, for the person who wrote it.
public struct SelectorError: Error, Sendable, Equatable, CustomStringConvertible {
    public var message: String
    /// Bytes of the text before the fault.
    public var offset: Int

    public init(_ message: String, at offset: Int) {
        self.message = message
        self.offset = offset
    }
    public var description: String { "\(message) (at byte \(offset))" }
}
