/// Names of backends: they become metric labels, database rows and log fields.
enum SafeName {
    static let maximumBytes = 64
    static let rule = "a name is 1 to 64 letters, digits, '-', '_' or '.', and begins with a letter or a digit"

    static func isSafe(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= maximumBytes, isAlphanumeric(first) else { return false }
        return name.utf8.allSatisfy {
            isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
