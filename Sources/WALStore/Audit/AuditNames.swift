/// Names of metrics that have come up, each once, at addresses that last as long as the connection: SQLite need not copy
/// them, and whoever counts has a number for each.
final class AuditNames {
    struct Name {
        var bytes: UnsafeRawBufferPointer
        var number: Int
    }

    /// All of them, at most: a spool may be full of names that come once.
    static let maximumBytes = 32 << 20

    private var numbers: [[UInt8]: Int] = [:]
    private var names: [UnsafeRawBufferPointer] = []
    private var bytes = 0

    deinit { for name in names { name.deallocate() } }

    var count: Int { names.count }
    subscript(number: Int) -> UnsafeRawBufferPointer { names[number] }

    /// - Returns: nil when there is no room for a new one.
    func find(_ name: UnsafeRawBufferPointer) -> Name? {
        let key = Array(name)
        if let number = numbers[key] { return Name(bytes: names[number], number: number) }
        // An entry, twice the bytes.
        let cost = 2 * name.count + 96
        guard bytes + cost <= AuditNames.maximumBytes else { return nil }
        bytes += cost
        // Not of no bytes: an empty text is one, too.
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, name.count), alignment: 1)
        copy.copyMemory(from: name)
        names.append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(copy)[..<name.count]))
        numbers[key] = names.count - 1
        return Name(bytes: names[names.count - 1], number: names.count - 1)
    }
}
