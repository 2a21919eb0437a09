/// An input taken apart for targets that want choices rather than a file. What is missing reads as zero.
struct FuzzInput {
    private(set) var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 {
        guard let first = rest.first else { return 0 }
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
        return first
    }

    mutating func word() -> UInt64 { (0..<8).reduce(0) { word, _ in word << 8 | UInt64(byte()) } }

    mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
        let taken = UnsafeRawBufferPointer(rebasing: rest.prefix(count))
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(taken.count))
        return taken
    }

    mutating func text(_ count: Int) -> String { String(decoding: take(count), as: UTF8.self) }

    /// The pieces between bytes of value `separator`.
    func split(_ separator: UInt8) -> [UnsafeRawBufferPointer] {
        rest.split(separator: separator, omittingEmptySubsequences: false).map { UnsafeRawBufferPointer(rebasing: $0) }
    }
}
